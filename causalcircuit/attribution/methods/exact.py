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
from causalcircuit.query import Assignment, Cell, Counterfactual, Statistic, Wire, World, unite, world_of

_WORLDS = 256
"""Wires of one plan: what a plan knows of a world lives as long as the plan."""


@method("exact", whole=True)
def exact(bench: Bench, wiring: Wiring, heard: Callable[[int, int], None] | None = None) -> tuple[Floats, int]:
    """[rows, wires] S(`from`, the wire at its value in `to`) - S(`from`); and the row passes that they took."""
    rows, question = bench.rows, bench.rows.question
    n, passes = rows.data.n, 0
    table = np.empty((n, len(wiring)))
    before = Cell(question.readout, question.start)
    worlds = list(worlds_of(bench, wiring))
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


def worlds_of(bench: Bench, wiring: Wiring) -> Iterator[World]:
    """For each wire the world `from` in which it carries its value of `to`.

    No wire of the language ends in a neuron, an expert or what a dictionary finds. There the node alone is what it is
    in the world in which its part reads the wire.
    """
    question, finer = bench.rows.question, bench.streams.finer
    for i in range(len(wiring)):
        source, target = wiring.source(i), wiring.target(i)
        read = None if target is None or finer is None else finer.via(target)
        if target is None or read is None:
            yield rewired(Wire(source, question.readout if target is None else target), question)
            continue
        inside = rewired(Wire(source, read), question)
        alone = world_of([Assignment(target, Counterfactual(target, inside))])
        yield unite(question.start, alone)


def rewired(wire: Wire, question: Question) -> World:
    """The world `from` in which a wire carries its value of `to`."""
    known = question.end.value_of(wire.source)
    there = known if isinstance(known, Statistic) else Counterfactual(wire.source, question.end)
    return unite(question.start, world_of([Assignment(wire, there)]))


__all__ = ["exact", "rewired", "worlds_of"]
