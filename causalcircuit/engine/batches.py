"""Cutting the rows of one level of worlds into forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from causalcircuit.engine.prepared import Prepared, Setup
from causalcircuit.query import Generated
from causalcircuit.query.plan import Stage


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """Some rows of one world inside a batch.

    Attributes:
        index: of the run in the plan. setup: the world.
        rows: the rows' places in the data. low: how many rows of the chunk come before them.
        items: for each row the numbers of its sequences in the batch, one for each continuation.
    """

    index: int
    setup: Setup
    rows: tuple[int, ...]
    low: int
    items: tuple[tuple[int, ...], ...]


def chunks(prepared: Prepared, stage: Stage, limit: int) -> Iterator[range]:
    """The rows of a sweep in chunks, such that a level of worlds about fills one pass of `limit` positions.

    Rows are outermost: what is read in one world for another lives for one chunk only, and an interrupted run has
    whole rows.
    """
    n = prepared.data.n
    setups = [prepared.setups[i] for i in stage.runs]
    if not setups:
        if n:
            yield range(n)
        return
    levels = len({s.run.depth for s in setups})
    row = 0
    while row < n:
        end, spent = row, 0
        while end < n:
            cost = sum(s.cost(end) for s in setups)
            if end > row and spent + cost > limit * levels:
                break
            spent, end = spent + cost, end + 1
        yield range(row, end)
        row = end


def levels(prepared: Prepared, stage: Stage) -> Iterator[list[int]]:
    """The runs of a sweep that can share passes: of one model, needing only earlier ones; texts by themselves."""
    found: dict[tuple[int, str, str], list[int]] = {}
    for i in stage.runs:
        run = prepared.setups[i].run
        kind = "" if run.said is None else "written" if isinstance(run.said, Generated) else "forced"
        found.setdefault((run.depth, run.model, kind), []).append(i)
    for key in sorted(found):
        yield found[key]


def batches(prepared: Prepared, level: Sequence[int], chunk: range, limit: int) -> Iterator[list[Slot]]:
    """The passes of one level: (row, world) pairs along the batch axis, each pass within `limit` padded positions."""
    current: list[tuple[int, int]] = []
    longest = items = 0
    for index in level:
        setup = prepared.setups[index]
        for row in chunk:
            count = len(setup.continuations[row])
            length = setup.cost(row) // count
            if current and max(longest, length) * (items + count) > limit:
                yield _slots(prepared, current, chunk)
                current, longest, items = [], 0, 0
            current.append((index, row))
            longest, items = max(longest, length), items + count
    if current:
        yield _slots(prepared, current, chunk)


def _slots(prepared: Prepared, pairs: Sequence[tuple[int, int]], chunk: range) -> list[Slot]:
    grouped: dict[int, list[int]] = {}
    for index, row in pairs:
        grouped.setdefault(index, []).append(row)
    out: list[Slot] = []
    item = 0
    for index, rows in grouped.items():
        setup = prepared.setups[index]
        items: list[tuple[int, ...]] = []
        for row in rows:
            count = len(setup.continuations[row])
            items.append(tuple(range(item, item + count)))
            item += count
        out.append(Slot(index, setup, tuple(rows), rows[0] - chunk.start, tuple(items)))
    return out
