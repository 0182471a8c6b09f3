"""Donors: for each row another row of the data, drawn once and for all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from causalcircuit.engine.problems import Problems
from causalcircuit.models import RowError
from causalcircuit.query import Column, Draw, render
from causalcircuit.rows import Dataset


def donors_of(draw: Draw, data: Dataset, problems: Problems) -> tuple[int, ...] | None:
    """[rows] the place of each row's donor in the data; `None` where a row has none (CQ361 is kept).

    A donor is any other row of the same group, and of another one of `outside`, with the probability that its weight
    has among them: a draw from the process that the data sample. What a row draws depends on (seed, name, number of the
    draw, number of the row) and on its candidates, and on no other row's draw.
    """
    groups = _labels(draw.per, data)
    apart = _labels(draw.outside, data)
    weight = data.ref.weight
    weights = np.ones(data.n) if weight is None else np.asarray(data.column(weight.name), dtype=np.float64)
    key = np.frombuffer(hashlib.sha256(f"{draw.seed}\0{draw.name}".encode()).digest()[:16], dtype="<u8")
    pools: dict[tuple[Any, Any], _Pool] = {}
    found: list[int] = []
    for i in range(data.n):
        with problems.at(i, draw.span):
            pool = (groups[i], None if draw.outside is None else apart[i])
            if pool not in pools:
                inside = [j for j in range(data.n) if groups[j] == pool[0]]
                pools[pool] = _Pool([j for j in inside if draw.outside is None or apart[j] != pool[1]], weights)
            raw = np.random.Philox(key=key, counter=[0, 0, draw.number or 0, data.rows[i]]).random_raw(1)[0]
            found.append(pools[pool].other(i, (float(raw >> np.uint64(11)) + 0.5) * 2.0**-53, draw))
    return tuple(found) if len(found) == data.n else None


class _Pool:
    """The rows that donors come from, with their weights."""

    def __init__(self, rows: list[int], weights: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self._rows = rows
        self._own = {row: k for k, row in enumerate(rows)}
        self._weights = weights[rows]
        self._sums = np.concatenate([[0.0], np.cumsum(self._weights)])

    def other(self, row: int, uniform: float, draw: Draw) -> int:
        """A row of the pool that is not `row`.

        Raises:
            RowError: CQ361, there is none.
        """
        own = self._own.get(row)
        weight = 0.0 if own is None else float(self._weights[own])
        others = [k for k in (self._weights > 0).nonzero()[0][:2] if k != own]
        if not others:
            raise RowError("CQ361", f"no other row can be a donor in `{_said(draw)}`", "", _way(draw))
        target = uniform * (float(self._sums[-1]) - weight)
        if own is not None and target >= self._sums[own]:
            target += weight
        k = int(np.searchsorted(self._sums, target, side="right")) - 1
        if k >= len(self._rows) or k == own or not self._weights[k]:  # only rounding at an end leads here
            k = max(int(j) for j in (self._weights > 0).nonzero()[0] if j != own)
        return self._rows[k]


def _said(draw: Draw) -> str:
    return f"draw {draw.name}" if draw.name.isidentifier() else render(draw)


def _way(draw: Draw) -> str:
    if draw.per is None and draw.outside is None:
        return "a donor is another row: the data need two"
    parts = [
        *([f"another row has the same `{render(draw.per)}`"] if draw.per is not None else []),
        *([f"another `{render(draw.outside)}`"] if draw.outside is not None else []),
    ]
    return f"a donor must exist for every row: {' and '.join(parts)}; leave such rows out with `where`"


def _labels(column: Column | None, data: Dataset) -> list[Any]:
    """[rows] a label for each row, which compares."""
    if column is None:
        return [None] * data.n
    return [repr(v) if isinstance(v, list | dict) else v for v in data.column(column.name, column.span)]


class OfDonors(Problems):
    """What is wrong in the rows of donors: kept as a problem of those rows."""

    def __init__(self, problems: Problems, places: tuple[int, ...]) -> None:
        """Keep in `problems`."""
        self._rows, self._others, self._data = problems._rows, problems._others, problems._data
        self._of = problems._of
        self._places = places

    def row(self, problem: RowError, row: int, span: Any = None) -> None:
        """A problem of the donor of a row."""
        super().row(problem, self._places[row], span)


Places = Mapping[Draw, tuple[int, ...]]
"""For each draw the places of the rows' donors."""
