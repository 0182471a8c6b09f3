"""Before a run: how likely a verdict is, how many units it takes, and which effect could be shown.

A pilot says how much one sampling unit carries, σ: the jackknife's standard error times the root of the number of
units, so that clusters, weights and smooth arithmetic are in it. For G units the interval of a claim is
θ̂ ∓ ŝ(q + s∓ℓ)/√G with the quantile q of t, and where θ̂ ~ N(θ, σ²/G) and (G−1)ŝ²/σ² ~ χ²(G−1) are independent (exactly,
where units are normal), the chance that it lies inside a region is one integral over ŝ,

    P(inside) = E_ŝ [Φ((high − U(ŝ) − θ)√G/σ) − Φ((low + L(ŝ) − θ)√G/σ)]⁺,

with which one-sided claims are the noncentral t, and equivalence the two one-sided tests of Schuirmann (1987)
without an approximation. A probability of independent rows is summed over its binomial instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.inference._arithmetic import corner_in, linear, terms_in, value_of
from causalcircuit.inference._estimators import Problem, Shape
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._probability import QUARTER, is_probability, wilson_ends
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._special import chdtri, ndtr
from causalcircuit.inference._student import deviations, lengthening, quantile, scale_factor, skew_factor
from causalcircuit.inference._units import units_in
from causalcircuit.query import Options, Region

_NODES = 96
"""Gauss-Legendre points of the integral over ŝ, along its distribution function."""
MOST_UNITS = 10_000_000
"""Where the search for enough units ends."""
UNLUCKY = 0.9
"""The one-sided level of the bound on σ behind `at_worst` (Browne 1995, Statistics in Medicine 14)."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """What some units say of all.

    Attributes:
        value: the estimate. sigma: the standard deviation that one unit carries; σ/√G is the standard error of G.
        units: how many were seen. scarce: the share of them that enter the scarcest term.
        low, high: how much a unit of root lengthens the interval at its ends, for skewness (0: not at all).
        share: (slope, constant, how far its ends are moved) of a probability of independent rows, which is then
            counted exactly.
        reason: why nothing can be said; empty where something can.
    """

    value: float
    sigma: float
    units: int
    scarce: float = 1.0
    low: float = 0.0
    high: float = 0.0
    share: tuple[float, float, float] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely each verdict is."""

    supported: float
    refuted: float

    @property
    def inconclusive(self) -> float:
        """Neither of them."""
        return max(0.0, 1 - self.supported - self.refuted)


def pilot_of(sample: Sample, options: Options) -> Pilot:
    """What a sample of some units says of how all will vary."""
    shape = Shape(sample.combine, sample.events, sample.cluster is not None, sample.weight is not None)
    problem = Problem(shape, units_in(sample))
    value = float(value_of(shape.combine, problem.units.mean))
    units = int(problem.units.count)
    if corner_in(shape.combine) is not None:
        return Pilot(value, 0.0, units, reason="it has a corner (`abs`, `max`, `min`, an even power)")
    if not terms_in(shape.combine) or not math.isfinite(value):
        reason = "it has no value on these rows" if terms_in(shape.combine) else "it is a number"
        return Pilot(value, 0.0, units, reason=reason)
    if int(problem.df) < 1:
        return Pilot(value, 0.0, units, reason=f"there are too few {'clusters' if shape.clustered else 'rows'}")
    d = deviations(problem)
    squares = float((d**2).sum())
    if squares == 0:
        return Pilot(value, 0.0, units, reason="these rows do not vary")
    count = problem.units.count
    sigma = math.sqrt(float(scale_factor(count)) * squares * units)
    skew = 0.0
    if options.method == "default":
        skew = float(skew_factor(count)) * float((d**3).sum()) / squares**1.5 * math.sqrt(units)
    share = None
    if is_probability(shape) and not (shape.clustered or shape.weighted) and options.method in ("default", "wilson"):
        coefficients = linear(shape.combine, shape.k)
        if coefficients is not None:
            moved = QUARTER if options.method == "default" else 0.0
            share = float(coefficients[terms_in(shape.combine)[0]]), float(coefficients[-1]), moved
    return Pilot(value, sigma, units, (int(problem.df) + 1) / units, max(-skew, 0.0), max(skew, 0.0), share)


def chances(pilot: Pilot, units: int, region: Region, level: float, truth: float | None = None) -> Chances:
    """How likely the verdicts on a claim are with `units`, if the estimand is `truth` (the pilot's value).

    Args:
        pilot: how units vary. region: that is claimed. level: of the claim's interval.
        units: at least 2 of them.
        truth: what the estimand is.
    """
    theta = pilot.value if truth is None else truth
    if pilot.share is not None:
        inside, beyond = _counted(pilot.share, units, region, level, theta)
    else:
        inside, beyond = _integrated(pilot, units, region, level, theta)
    if region.outside:
        inside, beyond = beyond, inside
    return Chances(inside, beyond)


def _integrated(pilot: Pilot, units: int, region: Region, level: float, theta: float) -> tuple[float, float]:
    """The chance that the interval lies inside the region's ends, and that it is disjoint from them."""
    df = max(1, round(units * pilot.scarce) - 1)
    se = pilot.sigma / math.sqrt(units)
    q = float(quantile(np.asarray(float(df)), (1 - level) / 2))
    more = float(lengthening(np.asarray(q))) / math.sqrt(units)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    spread: Floats = np.sqrt(np.asarray(chdtri(df, (1 - nodes) / 2)) / df)  # [nodes] of ŝ/σ
    below, above = (spread * (q + end * more) for end in (pilot.low, pilot.high))

    def under(end: float, shift: Floats) -> Floats:
        """[nodes] P(estimate + shift < end)."""
        return np.asarray(ndtr((end - theta) / se - shift))

    inside = np.maximum(under(region.high, above) - under(region.low, -below), 0.0)
    beyond = 1 - under(region.high, -below) + under(region.low, above)
    return float(weights @ inside) / 2, min(1.0, float(weights @ beyond) / 2)


def _counted(
    share: tuple[float, float, float], n: int, region: Region, level: float, theta: float
) -> tuple[float, float]:
    """The same of Wilson's interval: every number of events among n rows, with its chance."""
    from scipy.stats import binom

    slope, constant, moved = share
    p = min(1.0, max(0.0, (theta - constant) / slope))
    reach = 12 * math.sqrt(n * p * (1 - p)) + 12
    k = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)
    ends = wilson_ends(np.asarray(k / n), np.asarray(float(n)), (1 - level) / 2, moved)
    low, high = (np.asarray(slope * end + constant) for end in (ends if slope > 0 else ends[::-1]))
    if region.closed:
        inside = (region.low <= low) & (high <= region.high)
        beyond = (low > region.high) | (high < region.low)
    else:
        inside = (region.low < low) & (high < region.high)
        beyond = (low >= region.high) | (high <= region.low)
    weight = binom.pmf(k, n, p)
    return float(weight[inside].sum()), float(weight[beyond].sum())


def units_needed(
    pilot: Pilot, region: Region, level: float, power: float, verdict: Literal["supported", "either"] = "supported"
) -> int | None:
    """The fewest units with which the claim is supported (or decided) at chance `power`, if the pilot's value is true.

    `None` where no number up to 10 million is enough: the value lies on an end of the region, or on its other side.
    A probability's chance has teeth; from the number that is returned on it holds at twice as many too.
    """

    def enough(units: int) -> bool:
        found = chances(pilot, units, region, level)
        return (found.supported if verdict == "supported" else 1 - found.inconclusive) >= power

    return _first(enough)


def at_worst(pilot: Pilot) -> Pilot:
    """The same pilot with σ at its upper 90% bound, σ̂·√(ν/χ²): few units say little of how much they vary."""
    df = max(1, pilot.units - 1)
    factor = math.sqrt(df / float(chdtri(df, UNLUCKY)))
    return replace(pilot, sigma=pilot.sigma * factor)


def detectable(pilot: Pilot, units: int, region: Region, level: float, power: float) -> tuple[float, ...]:
    """The values of the estimand nearest to the region's ends at which the claim is supported at chance `power`.

    One for a one-sided region, one on each side for the outside of a range; for a range the two between which it is
    supported that often; none where no value is enough (a range narrower than the interval).
    """
    steps = ((region.low, -1.0), (region.high, 1.0)) if region.outside else ((region.low, 1.0), (region.high, -1.0))
    both = math.isfinite(region.low) and math.isfinite(region.high) and not region.outside
    middle = (region.low + region.high) / 2 if both else None

    def enough(x: float) -> bool:
        return chances(pilot, units, region, level, x).supported >= power

    found = []
    for end, sign in steps:
        if math.isfinite(end):
            far = _far(end, sign * pilot.sigma / math.sqrt(units), middle, enough)
            if far is not None:
                found.append(_crossing(end, far, enough))
    return tuple(sorted(found))


def _far(end: float, step: float, middle: float | None, enough: Callable[[float], bool]) -> float | None:
    """A place beyond an end where the chance is enough; inside a range its middle is the only try."""
    if middle is not None:
        return middle if enough(middle) else None
    return next((end + step * 2**k for k in range(60) if enough(end + step * 2**k)), None)


def _crossing(end: float, far: float, enough: Callable[[float], bool]) -> float:
    """Between an end and a place that is far enough: where the chance becomes so."""
    low, high = end, far
    for _ in range(60):
        between = (low + high) / 2
        low, high = (low, between) if enough(between) else (between, high)
    return high


def _first(enough: Callable[[int], bool]) -> int | None:
    """The first number of units that is enough, where more are enough too."""
    high = 2
    while not (enough(high) and enough(2 * high)):
        high *= 2
        if high > MOST_UNITS:
            return None
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
