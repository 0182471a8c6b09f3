"""Claims on the same rows, held together by how their estimates vary together: max-t, in terms of p.

Romano & Wolf (2005, "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 100); Gaussian
multipliers: Chernozhukov, Chetverikov & Kato (2013, Ann. Statist. 41). Only the dependence is drawn; how surely one
claim holds remains what its own interval says, so that any estimator may be used (Westfall & Young 1993, min-P).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from causalcircuit.inference._arithmetic import value_of
from causalcircuit.inference._estimators import Problem, Shape
from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._special import ndtr
from causalcircuit.inference._student import deviations
from causalcircuit.inference._units import units_in
from causalcircuit.query import Region

DRAWS = 20_000
"""The Monte-Carlo error of an adjusted p of .05 is .0015."""
_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """How small the p-values of m claims are together, where no claim holds.

    Attributes:
        drawn: [B, m] p-values, each column uniform, rows with the dependence of the estimates.
    """

    drawn: NDArray[np.float32]

    def of(self, places: Sequence[int]) -> Together:
        """Some of the claims."""
        return self if len(places) == self.drawn.shape[1] else Together(self.drawn[:, list(places)])

    def error(self, alpha: float) -> float:
        """The error of each interval with which all m together have `alpha`: between alpha/m and alpha."""
        smallest = np.sort(self.drawn.min(axis=1))
        at = math.floor(alpha * (len(smallest) + 1)) - 1
        return float(np.clip(smallest[max(at, 0)], alpha / self.drawn.shape[1], alpha))

    def adjusted(self, ps: Sequence[float | None]) -> list[float | None]:
        """[m] step-down: the chance that any p of those not yet rejected is as small.

        Never below the p alone and never above Holm's: the chance of a union lies between these.
        """
        p = np.array([1.0 if x is None else x for x in ps])
        order = np.argsort(p, kind="stable")
        least = np.minimum.accumulate(self.drawn[:, order[::-1]], axis=1)[:, ::-1]  # of this claim and all larger p
        seen = (1 + (least <= p[order]).sum(axis=0)) / (len(self.drawn) + 1)
        bounded = np.clip(seen, p[order], np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
        out = np.empty_like(p)
        out[order] = np.maximum.accumulate(bounded)
        return [None if x is None else float(y) for x, y in zip(ps, out, strict=True)]


def together(samples: Sequence[Sample], regions: Sequence[Region], seed: int | None, draws: int = DRAWS) -> Together:
    """What claims on the same rows have in common, from how much of each estimate every sampling unit carries."""
    problems = [_problem(s) for s in samples]
    scores = np.stack([_score(p) for p in problems])
    generator = np.random.default_rng(seed)
    m, units = scores.shape
    lone = ~scores.any(axis=1)  # an estimate without a variance depends on no other
    if m <= units:
        values, vectors = np.linalg.eigh(scores @ scores.T)
        scores = vectors * np.sqrt(np.clip(values, 0, None))
    signs = [_sign(r, p) for r, p in zip(regions, problems, strict=True)]
    two_sided = np.array([r.outside for r in regions])
    out = np.empty((draws, m), dtype=np.float32)
    step = max(1, _AT_ONCE // (m + scores.shape[1]))
    for start in range(0, draws, step):
        some = out[start : start + step]
        z = generator.standard_normal((len(some), scores.shape[1])) @ scores.T
        z[:, lone] = generator.standard_normal((len(some), int(lone.sum())))
        some[:] = np.where(two_sided, 2 * ndtr(-np.abs(z)), ndtr(-z * signs))
    return Together(out)


def _problem(sample: Sample) -> Problem:
    shape = Shape(sample.combine, sample.events, sample.cluster is not None, sample.weight is not None)
    return Problem(shape, units_in(sample))


def _score(problem: Problem) -> Floats:
    """[G] the part that each unit has in the estimate, of length 1; zeros where there is nothing to go by."""
    d = deviations(problem)
    length = float(np.sqrt((d**2).sum()))
    return np.asarray(d / length) if math.isfinite(length) and length > 0 else np.zeros_like(d)


def _sign(region: Region, problem: Problem) -> float:
    """1 where large values support the claim, -1 where small ones do; of two ends, the one nearer to the estimate."""
    if math.isinf(region.high):
        return 1.0
    if math.isinf(region.low):
        return -1.0
    value = float(value_of(problem.shape.combine, problem.units.mean))
    return 1.0 if value - region.low < region.high - value else -1.0
