"""Cutting the rows of one level of worlds into forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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


def levels(prepared: Prepared, stage: Stage) -> Iterator[list[int]]:
    """The runs of a sweep that can share passes: of one model, needing only earlier ones; texts by themselves."""
    found: dict[tuple[int, str, str], list[int]] = {}
    for i in stage.runs:
        run = prepared.setups[i].run
        kind = "" if run.said is None else "written" if isinstance(run.said, Generated) else "forced"
        found.setdefault((run.depth, run.model, kind), []).append(i)
    for key in sorted(found):
        yield found[key]


def slots_of(
    prepared: Prepared, worlds: Sequence[int], chunk: range, limit: int, share: float = 1.0
) -> Iterator[list[Slot]]:
    """Passes of some worlds: (row, world) pairs along the batch axis, each pass within `limit` padded positions.

    Args:
        prepared: whose runs. worlds: their numbers. chunk: the rows.
        limit: positions a pass. share: of them, those that are computed.
    """
    current: list[tuple[int, int]] = []
    longest = items = 0
    for index in worlds:
        setup = prepared.setups[index]
        for row in chunk:
            count = len(setup.continuations[row])
            length = setup.cost(row) // count
            if current and max(longest, length) * (items + count) * share > limit:
                yield _slots(prepared, current, chunk)
                current, longest, items = [], 0, 0
            current.append((index, row))
            longest, items = max(longest, length), items + count
    if current:
        yield _slots(prepared, current, chunk)


def halves(slots: Sequence[Slot]) -> tuple[list[Slot], list[Slot]]:
    """A batch in two of about the same number of rows; the second is empty where there is one row only."""
    pairs = [(slot, k) for slot in slots for k in range(len(slot.rows))]
    middle = (len(pairs) + 1) // 2
    return _regrouped(pairs[:middle]), _regrouped(pairs[middle:])


def _regrouped(pairs: Sequence[tuple[Slot, int]]) -> list[Slot]:
    grouped: dict[int, tuple[Slot, list[int]]] = {}
    for slot, k in pairs:
        grouped.setdefault(id(slot), (slot, []))[1].append(k)
    out: list[Slot] = []
    item = 0
    for slot, chosen in grouped.values():
        items: list[tuple[int, ...]] = []
        for k in chosen:
            count = len(slot.items[k])
            items.append(tuple(range(item, item + count)))
            item += count
        # Rows of a slot follow each other in the chunk, one by one.
        out.append(
            replace(slot, rows=tuple(slot.rows[k] for k in chosen), low=slot.low + chosen[0], items=tuple(items))
        )
    return out


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
