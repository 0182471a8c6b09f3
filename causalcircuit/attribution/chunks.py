"""Which rows fill a pass."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.attribution.passes import Rows


def chunks_of(rows: Rows, places: int, copies: int = 1) -> Iterator[range]:
    """Rows that fill a pass of so many places, where it holds so many copies of each row."""
    places = min(places, rows.most or places)
    both = (rows.question.start, rows.question.end)
    setups = [rows.prepared.setups[rows.index[w]] for w in both]
    row, n = 0, rows.data.n
    while row < n:
        end, spent = row, 0
        while end < n:
            spent += max(s.cost(end) for s in setups) * copies
            if end > row and spent > places:
                break
            end += 1
        yield range(row, end)
        row = end
