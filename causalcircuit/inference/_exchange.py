"""Permutations under which clusters stay whole: the exact tests of what has no sampling distribution of its own.

A permutation gives every unit the rows of another unit of its kind: of as many rows, with the same weights. Under the
hypothesis that what is moved has nothing to do with what stays, all such data are equally likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from causalcircuit.inference._numpy import Floats, NDArray, np


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """Who may take whose place.

    Attributes:
        strata: of each kind of unit [units, rows in each] the numbers of their rows.
        rows: how many there are.
    """

    strata: tuple[NDArray[np.intp], ...]
    rows: int

    @classmethod
    def of(cls, rows: int, cluster: NDArray[np.intp] | None = None, weight: Floats | None = None) -> Exchange:
        """Units of one size and the same weights take each other's place.

        Args:
            rows: how many. cluster: [rows] the number of each row's unit. weight: [rows].
        """
        unit = np.arange(rows) if cluster is None else cluster
        heavy = np.ones(rows) if weight is None else weight
        order = np.lexsort((heavy, unit))  # within a unit rows meet rows of the same weight
        members: dict[tuple[float, ...], list[NDArray[np.intp]]] = {}
        for own in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
            members.setdefault(tuple(heavy[own].tolist()), []).append(own)
        return cls(tuple(np.stack(m) for m in members.values()), rows)

    @property
    def count(self) -> float:
        """How many permutations there are; infinite beyond what float64 holds."""
        size = sum(math.lgamma(len(s) + 1) for s in self.strata)
        return math.exp(size) if size < 700 else math.inf

    def draw(self, seed: int, times: int) -> Iterator[NDArray[np.intp]]:
        """[rows] for each of `times` random permutations, whose row stands in each row's place."""
        rng = np.random.default_rng(seed)
        for _ in range(times):
            out = np.arange(self.rows)
            for own in self.strata:
                out[own] = own[rng.permutation(len(own))]
            yield out


def p_of(observed: float, drawn: Floats) -> float:
    """(1 + #{drawn ≥ observed}) / (1 + draws): exact whatever the statistic is (Phipson & Smyth 2010)."""
    near = 1e-12 * max(1.0, abs(observed))  # the identity, drawn by chance, is summed in another order
    return float((1 + (drawn >= observed - near).sum()) / (1 + len(drawn)))
