"""Activation patching of nodes: the ground truth of all other methods that score nodes.

Every node is a world of its own, so this pays for each: two passes of a row, where a gradient pays for all at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.nodes import NodeBench
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.summary import Floats
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.query import Assignment, Cell, Counterfactual, Site, Statistic, World, world_of

_WORLDS = 256
"""Nodes of one plan: what a plan knows of a world lives as long as the plan."""


@method("exact_nodes", of="nodes", whole=True)
def exact_nodes(bench: NodeBench, heard: Callable[[int, int], None] | None = None) -> tuple[Floats, int]:
    """[rows, nodes] S(`from`, the node at its value in `to`) - S(`from`); and the row passes that they took."""
    rows, question = bench.rows, bench.rows.question
    n, passes = rows.data.n, 0
    table = np.empty((n, len(bench.sites)))
    before = Cell(question.readout, question.start)
    worlds = [patched(site, question) for site in bench.sites]
    for first in range(0, len(worlds), _WORLDS):
        cells = [Cell(question.readout, w) for w in worlds[first : first + _WORLDS]]
        plan = make_plan([before, *cells], rows.data, {question.model: rows.model.sites})

        def told(done: int, total: int, first: int = first, share: int = len(cells)) -> None:
            if heard is not None and total:
                heard(int(n * (first + share * done / total) / len(worlds)), n)

        found = execute(prepare(plan, {question.model: rows.model}, rows.data), told, rows.positions, kept=rows.kept)
        if not found.complete:
            raise KeyboardInterrupt
        for i, cell in enumerate(cells):
            table[:, first + i] = found.cells[cell] - found.cells[before]
        passes += int(found.cost["row_passes"])
    return table, passes


def patched(site: Site, question: Question) -> World:
    """The world `from` in which a node is what it is in `to`, also where `from` assigns it."""
    kept = [a for a in question.start.assignments if a.target != site]
    known = question.end.value_of(site)
    there = known if isinstance(known, Statistic) else Counterfactual(site, question.end)
    return world_of([*kept, Assignment(site, there)])


__all__ = ["exact_nodes", "patched"]
