"""Activation patching of wires: the ground truth of all other methods.

Every wire is a world of its own, so this pays for each: two passes of a row, where a gradient pays for all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.methods.registry import method
from causalcircuit.attribution.passes import Question
from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.walk import Wiring
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.query import ALL, Assignment, Cell, Counterfactual, Expr, Site, Wire, World, unite, world_of

_WORLDS = 256
"""Wires of one plan: what a plan knows of a world lives as long as the plan."""


@method("exact", whole=True)
def exact(bench: Bench, wiring: Wiring, heard: Callable[[int, int], None] | None = None) -> tuple[Floats, int]:
    """[rows, wires] S(`from`, the wire at its value in `to`) - S(`from`); and the row passes that they took."""
    rows, question = bench.rows, bench.rows.question
    n, passes = rows.data.n, 0
    table = np.empty((n, len(wiring)))
    before = Cell(question.readout, question.start)
    worlds = [rewired(wire, question) for wire in wires_in(wiring, question)]
    for first in range(0, len(worlds), _WORLDS):
        cells = [Cell(question.readout, w) for w in worlds[first : first + _WORLDS]]
        plan = make_plan([before, *cells], rows.data, {question.model: rows.model.sites})

        def told(done: int, total: int, first: int = first, share: int = len(cells)) -> None:
            if heard is not None and total:
                heard(int(n * (first + share * done / total) / len(worlds)), n)

        found = execute(prepare(plan, {question.model: rows.model}, rows.data), told)
        if not found.complete:
            raise KeyboardInterrupt
        for i, cell in enumerate(cells):
            table[:, first + i] = found.cells[cell] - found.cells[before]
        passes += int(found.cost["row_passes"])
    return table, passes


def wires_in(wiring: Wiring, question: Question) -> Iterator[Wire]:
    """The wires as the language says them."""
    for writer, reader in zip(wiring.writers.tolist(), wiring.readers.tolist(), strict=True):
        read = wiring.reads[reader]
        end: Expr = question.readout if read is None else Site(read, ALL)
        yield Wire(Site(wiring.writes[writer], ALL), end)


def rewired(wire: Wire, question: Question) -> World:
    """The world `from` in which a wire carries its value of `to`."""
    return unite(question.start, world_of([Assignment(wire, Counterfactual(wire.source, question.end))]))


__all__ = ["exact", "rewired", "wires_in"]
