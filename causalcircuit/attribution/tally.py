"""Scores of more rows than a table holds, as sums: their mean, its interval and its stability in one look at each row.

Rows come sampling unit by sampling unit. Of each unit the weighted sum U [n] enters Σ U, the squares of its distance to
a pivot, and one sum a bootstrap sample. The numbers are those that `summary` finds in a table, to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from causalcircuit.attribution.summary import Floats, strongest

TIMES = 200
"""Bootstrap samples."""


class Tally:
    """Sums over the rows so far.

    Every array is a sum, a pivot or a number of a unit: `state` is all that is needed to go on.
    """

    def __init__(self, unit: NDArray[np.intp], weights: Floats, columns: int, seed: int | None = None) -> None:
        """Sum over no row yet.

        Args:
            unit: [rows] the number of each row's sampling unit, rows of a unit side by side. weights: [rows].
            columns: scores a row. seed: of the bootstrap; none without it.
        """
        self._unit, self._weights = unit, weights
        count = int(unit.max()) + 1
        self._sizes = np.bincount(unit, weights, count)
        self._drawn = None if seed is None else _draws(seed, count)
        self.done = 0
        times = 0 if self._drawn is None else TIMES
        self._state: dict[str, NDArray[Any]] = {
            "total": np.zeros(columns), "pivot": np.zeros(columns), "square": np.zeros(columns),
            "cross": np.zeros(columns), "open": np.zeros(columns), "samples": np.zeros((times, columns)),
        }  # fmt: skip

    @property
    def state(self) -> Mapping[str, NDArray[Any]]:
        """What is needed to go on."""
        return self._state

    @property
    def resampled(self) -> bool:
        """Whether there are bootstrap samples."""
        return self._drawn is not None

    def resume(self, done: int, state: Mapping[str, NDArray[Any]]) -> bool:
        """Go on from sums over the first rows; whether they are sums of this kind."""
        own = self._state
        if set(state) != set(own) or any(state[k].shape != v.shape for k, v in own.items()) or done > len(self._unit):
            return False
        self.done, self._state = done, {k: np.array(v) for k, v in state.items()}
        return True

    def add(self, scores: Floats) -> None:
        """The next rows, [rows, n]."""
        rows = slice(self.done, self.done + len(scores))
        own, weighted = self._unit[rows], self._weights[rows, None] * scores
        if self.done == 0:
            self._state["pivot"] = scores.mean(0)
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        sums = np.add.reduceat(weighted, starts, axis=0)
        units = own[starts]
        if self.done and units[0] == self._unit[self.done - 1]:
            sums[0] += self._state["open"]
        self.done = rows.stop
        going_on = self.done < len(self._unit) and self._unit[self.done] == units[-1]
        self._state["open"] = sums[-1].copy() if going_on else np.zeros_like(sums[-1])
        if going_on:
            units, sums = units[:-1], sums[:-1]
        sizes = self._sizes[units]
        apart = sums - self._state["pivot"] * sizes[:, None]
        self._state["total"] += sums.sum(0)
        self._state["square"] += (apart**2).sum(0)
        self._state["cross"] += sizes @ apart
        if self._drawn is not None:
            self._state["samples"] += self._drawn[:, units].astype(np.float64) @ sums

    def negative(self) -> Tally:
        """The sums of the same scores with the other sign."""
        made = copy(self)
        made._state = {k: v if k == "square" else 0.0 - v for k, v in self._state.items()}
        return made

    def means(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """As `summary.means`: [n] the mean over rows, and [n] half the width of its interval."""
        weight, count = self._sizes.sum(), len(self._sizes)
        value = self._state["total"] / weight
        if count < 2:
            return value, np.full_like(value, np.inf)
        off = self._state["pivot"] - value
        square = self._state["square"] + 2 * off * self._state["cross"] + off**2 * (self._sizes**2).sum()
        se = np.sqrt(count / (count - 1) * np.maximum(square, 0.0)) / weight
        return value, se * stdtrit(count - 1, (1 + level) / 2)

    def stability(self, keep: int, columns: NDArray[np.intp]) -> tuple[Floats, float]:
        """As `summary.stability` of some columns.

        Raises:
            ValueError: there is no bootstrap without a seed.
        """
        if self._drawn is None:
            raise ValueError("a bootstrap takes a seed")
        chosen = set(strongest(self._state["total"][columns], keep).tolist())
        often, overlap = np.zeros(len(columns)), 0.0
        for drawn, sample in zip(self._drawn, self._state["samples"], strict=True):
            if not drawn.astype(np.float64) @ self._sizes:
                continue
            found = strongest(sample[columns], keep)
            often[found] += 1
            both = len(chosen & set(found.tolist()))
            overlap += both / (len(chosen) + len(found) - both) if len(found) else 1.0
        return often / TIMES, overlap / TIMES


def _draws(seed: int, count: int) -> NDArray[np.uint16]:
    """[samples, units] how often each unit is drawn."""
    rng = np.random.default_rng(seed)
    made = (np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(TIMES))
    return np.stack([m.astype(np.uint16) for m in made])


def size_of(rows: int, columns: int, seed: int | None) -> int:
    """Bytes of a tally."""
    return columns * 8 * (8 + (TIMES if seed is not None else 0)) + (2 * TIMES * rows if seed is not None else 0)
