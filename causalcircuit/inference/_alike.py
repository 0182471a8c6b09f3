"""How much of an estimate's variation a grouping of the rows explains: one-way analysis of variance.

The intraclass correlation is the ANOVA estimate (Donner 1986, "A review of inference procedures for the intraclass
correlation coefficient", Int. Stat. Rev. 54); taken for independent, rows in groups of m on average have an interval
that is too narrow by √(1 + (m − 1)·ICC), the root of the design effect (Kish 1965, "Survey Sampling").
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from causalcircuit.inference._arithmetic import terms_in
from causalcircuit.inference._estimators import Problem, Shape
from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._special import fdtrc
from causalcircuit.inference._student import deviations
from causalcircuit.inference._units import units_in


@dataclass(frozen=True, slots=True)
class Shared:
    """What a grouping explains.

    Attributes:
        groups: how many there are. rows: how many are in them. icc: intraclass correlation.
        p: of groups being alike by chance. wider: the factor by which an interval would be as wide.
    """

    groups: int
    rows: int
    icc: float
    p: float
    wider: float


def contributions(sample: Sample) -> tuple[Floats, NDArray[np.bool_]]:
    """[n] how much each row carries of an estimate over independent rows, and which rows enter it."""
    shape = Shape(sample.combine, sample.events, weighted=sample.weight is not None)
    units = units_in(sample)
    enters: NDArray[np.bool_] = np.asarray((units.size[:, terms_in(sample.combine)] > 0).any(axis=1))
    return deviations(Problem(shape, units, sample)), enters


def shared(labels: Sequence[Hashable], values: Floats) -> Shared | None:
    """What `labels` [n] explain of `values` [n]; `None` where each value stands alone, or all rows share one."""
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(x, len(numbers)) for x in labels])
    n, k = len(group), len(numbers)
    if k < 2 or k == n or not np.ptp(values):
        return None
    size = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, values) / size
    between = float((size * (mean - values.mean()) ** 2).sum()) / (k - 1)
    within = float(((values - mean[group]) ** 2).sum()) / (n - k)
    typical = (n - float((size**2).sum()) / n) / (k - 1)
    icc = (between - within) / (between + (typical - 1) * within)
    p = 0.0 if within <= 1e-20 * between else float(fdtrc(k - 1, n - k, between / within))
    per_row = float((size**2).sum()) / n  # rows in the group of a row
    return Shared(k, n, icc, p, math.sqrt(max(1.0, 1 + (per_row - 1) * icc)))
