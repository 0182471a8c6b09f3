"""Cutting the rows of one level of worlds into forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from causalcircuit.engine.prepared import Prepared, Setup
from causalcircuit.query import Generated
from causalcircuit.query.plan import Stage

Sizes = Callable[[int], Sequence[tuple[int, int]]]
"""Of a world, for each row of a chunk: how many items it has in a batch, and their length."""


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
    prepared: Prepared,
    worlds: Sequence[int],
    chunk: range,
    limit: int,
    share: float = 1.0,
    sizes: Sizes | None = None,
) -> Iterator[list[Slot]]:
    """Passes of some worlds: (row, world) pairs along the batch axis, each pass within `limit` padded positions.

    Args:
        prepared: whose runs. worlds: their numbers. chunk: the rows.
        limit: positions a pass. share: of them, those that are computed.
        sizes: of a world, for each row of the chunk how many items it has, and their length, where that is known.
    """
    sizes = sizes or (lambda index: [_size(prepared.setups[index], row) for row in chunk])
    found: list[Slot] = []
    longest = items = 0
    for index in worlds:
        low = 0
        own: list[tuple[int, ...]] = []
        for k, (count, length) in enumerate(sizes(index)):
            longest = max(longest, length)
            if items and longest * (items + count) * share > limit:
                if own:
                    found.append(Slot(index, prepared.setups[index], tuple(chunk[low:k]), low, tuple(own)))
                yield found
                found, low, own, longest, items = [], k, [], length, 0
            own.append(tuple(range(items, items + count)))
            items += count
        if own:
            found.append(Slot(index, prepared.setups[index], tuple(chunk[low:]), low, tuple(own)))
    if found:
        yield found


def _size(setup: Setup, row: int) -> tuple[int, int]:
    count = len(setup.continuations[row])
    return count, setup.cost(row) // count


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
