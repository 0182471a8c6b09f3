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
    apart = list(range(data.n)) if draw.outside is None else _labels(draw.outside, data)
    weight = data.ref.weight
    weights = np.ones(data.n) if weight is None else np.asarray(data.column(weight.name), dtype=np.float64)
    members: dict[Any, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    pools = {group: _Pool(rows, apart, weights) for group, rows in members.items()}
    key = np.frombuffer(hashlib.sha256(f"{draw.seed}\0{draw.name}".encode()).digest()[:16], dtype="<u8")
    # A row's number in its file is its place in the stream of the draw, whatever other rows are there.
    stream = np.random.Philox(key=key, counter=[0, 0, 0, draw.number or 0]).random_raw(max(data.rows) + 1)
    uniform = ((stream[list(data.rows)] >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    found: list[int] = []
    for i in range(data.n):
        with problems.at(i, draw.span):
            found.append(pools[groups[i]].other(apart[i], float(uniform[i]), draw))
    return tuple(found) if len(found) == data.n else None


class _Pool:
    """The rows of a group, those that cannot be each other's donors side by side."""

    def __init__(self, rows: list[int], apart: list[Any], weights: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        classes: dict[Any, list[int]] = {}
        for row in rows:
            classes.setdefault(apart[row], []).append(row)
        self._rows = [row for own in classes.values() for row in own]
        self._sums = np.concatenate([[0.0], np.cumsum(weights[self._rows])])
        ends = np.cumsum([len(own) for own in classes.values()])
        self._own = {c: (int(end) - len(own), int(end)) for (c, own), end in zip(classes.items(), ends, strict=True)}
        self._weighing = np.flatnonzero(weights[self._rows] > 0)

    def other(self, own: Any, uniform: float, draw: Draw) -> int:
        """A row of the pool that is not of the class `own`, with the probability of its weight.

        Raises:
            RowError: CQ361, there is none.
        """
        low, high = self._own[own]
        last = self._weighing[-1] if len(self._weighing) and self._weighing[-1] >= high else None
        if last is None:
            before = np.searchsorted(self._weighing, low)
            last = self._weighing[before - 1] if before else None
        if last is None:
            raise RowError("CQ361", f"no other row can be a donor in `{_said(draw)}`", "", _way(draw))
        inside = float(self._sums[high] - self._sums[low])
        target = uniform * (float(self._sums[-1]) - inside)
        if target >= self._sums[low]:
            target += inside
        k = int(np.searchsorted(self._sums, target, side="right")) - 1
        # Rounding alone leads beyond the last row, or back into the class.
        return self._rows[k if k < len(self._rows) and not low <= k < high else int(last)]


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
