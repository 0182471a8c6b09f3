"""What every estimator rests on: a function of sums over sampling units.

Cell counts, sums within cells and second moments are all sums over units. Leaving a unit out subtracts its part, a
resample counts some parts twice: so one function of [B, m] sums serves the estimate, the jackknife and the bootstrap,
all replicates at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from causalcircuit.inference.observed._table import Data, Floats, Numbers

Functional = Callable[[Floats], Floats]
"""[B, m] sums to [B] estimates, or [B, k] of several; NaN where there is none."""

_AT_ONCE = 4_000_000
"""Numbers held in memory at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over units of what `rows` gives for some rows [r] as [r, m], weights included.

    Attributes:
        rows: of row numbers. width: m. order: rows by unit. starts: where each unit begins in it, and the end.
        whole: [m] over all rows, where that is known. same: [n] equal where rows have equal parts.
    """

    rows: Callable[[Numbers], Floats]
    width: int
    order: Numbers
    starts: Numbers
    whole: Floats | None = None
    same: Numbers | None = None

    @classmethod
    def of(
        cls,
        data: Data,
        rows: Callable[[Numbers], Floats],
        width: int,
        whole: Floats | None = None,
        same: Numbers | None = None,
    ) -> Sums:
        """The sums over the units of a table."""
        order = np.argsort(data.unit, kind="stable")
        starts = np.append(np.flatnonzero(np.diff(data.unit[order], prepend=-1)), len(order))
        return cls(rows, width, order, starts, whole, None if data.clustered else same)

    @property
    def units(self) -> int:
        """How many units."""
        return len(self.starts) - 1

    def chunks(self) -> Iterator[tuple[slice, Floats]]:
        """The units by parts, each with its sums [g, m]."""
        step = max(1, _AT_ONCE // max(1, self.width * int(np.ceil(len(self.order) / self.units))))
        for low in range(0, self.units, step):
            high = min(low + step, self.units)
            begin = self.starts[low:high]
            rows = self.rows(self.order[begin[0] : self.starts[high]])
            yield slice(low, high), np.add.reduceat(rows, begin - begin[0], axis=0)

    def total(self) -> Floats:
        """[m] over all rows."""
        if self.whole is not None:
            return self.whole
        found: Floats = np.sum([part.sum(axis=0) for _, part in self.chunks()], axis=0)
        return found

    def value(self, functional: Functional) -> Floats:
        """The estimate."""
        found: Floats = functional(self.total()[None])[0]
        return found

    def left_out(self, functional: Functional) -> Floats:
        """[G] or [G, k] the estimate without each unit."""
        total = self.total()
        if self.same is None:
            return np.concatenate([functional(total - part) for _, part in self.chunks()])
        first, kind = np.unique(self.same, return_index=True, return_inverse=True)[1:]
        step = max(1, _AT_ONCE // self.width)
        parts = (self.rows(first[low : low + step]) for low in range(0, len(first), step))
        return np.asarray(np.concatenate([functional(total - part) for part in parts])[kind])

    def resampled(self, functional: Functional, resamples: int, seed: int) -> Floats:
        """[B] or [B, k] the estimate in resamples of units, the same draws for all estimates of as many units."""
        rng = np.random.default_rng(seed)
        step = max(1, _AT_ONCE // max(self.units, self.width))
        found = []
        for low in range(0, resamples, step):
            draws = min(step, resamples - low)
            chosen = rng.integers(0, self.units, (draws, self.units)) + self.units * np.arange(draws)[:, None]
            times = np.bincount(chosen.ravel(), minlength=draws * self.units).reshape(draws, -1).astype(np.float64)
            sums = np.zeros((draws, self.width))
            for part, own in self.chunks():
                sums += times[:, part] @ own
            found.append(functional(sums))
        return np.concatenate(found)


def by_unit(data: Data, rows: Floats) -> Floats:
    """[G, …] sums over the rows of each unit."""
    out = np.zeros((data.units, *rows.shape[1:]))
    np.add.at(out, data.unit, rows)
    return out
