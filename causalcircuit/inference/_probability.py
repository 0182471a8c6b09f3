"""One probability over independent rows: Wilson's score interval (Wilson 1927, JASA 22).

How often it covers swings with the probability, between 92 and 98% for 30 rows. The default moves each end by a quarter
of a row before the score test is inverted, half of the usual continuity correction: calculated exactly, it covers at
least 93.9% at every probability from 2 to 98% of 30 rows and more (94.2% from 10 to 90%), for 5% of width at 30 rows
and 2% at 200.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import linear, terms_in
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._special import ndtri
from causalcircuit.query import Options

QUARTER = 0.25
"""Of a row, by which the default moves the ends."""


def is_probability(shape: Shape) -> bool:
    """Whether the estimand is one probability, up to a factor and a constant."""
    terms = terms_in(shape.combine)
    return len(terms) == 1 and shape.events[terms[0]] and linear(shape.combine, shape.k) is not None


def range_of(shape: Shape) -> tuple[float, float]:
    """Where a multiple of a probability, plus a constant, can lie."""
    coefficients = linear(shape.combine, shape.k)
    if coefficients is None:
        raise ValueError("no linear estimand")
    [term] = terms_in(shape.combine)
    ends = float(coefficients[-1]), float(coefficients[-1] + coefficients[term])
    return min(ends), max(ends)


def _refuse(shape: Shape) -> str:
    if not is_probability(shape):
        return "it is no single probability `P(…)`"
    if shape.clustered:
        return "rows of one cluster are alike, and this interval takes them for independent"
    return "rows carry weights, and this interval counts every row once" if shape.weighted else ""


@estimator("wilson", refuse=_refuse)
def wilson(problem: Problem, options: Options) -> Fit:
    """Wilson's interval, nothing added."""
    return wilson_fit(problem, 0.0)


def wilson_fit(problem: Problem, moved: float = QUARTER) -> Fit:
    """Wilson's interval, its ends `moved` by so much of a unit; on clusters that all agree the unit is the cluster."""
    shape, units = problem.shape, problem.units
    [term] = terms_in(shape.combine)
    coefficients = linear(shape.combine, shape.k)
    if coefficients is None:
        raise ValueError("no linear estimand")
    p, n = units.mean[..., term], units.counts[..., term]
    slope, constant = coefficients[term], coefficients[-1]

    def bounds(a: float) -> tuple[Floats, Floats]:
        low, high = wilson_ends(p, n, a, moved)
        ends = slope * low + constant, slope * high + constant
        return ends if slope > 0 else (ends[1], ends[0])

    counted = "clusters" if shape.clustered else "rows"
    words = f"Wilson's score interval, {counted} counted"
    if moved:
        words += f", a quarter of a {counted[:-1]} wider on each side"
    return Fit(np.asarray(slope * p + constant), bounds, words)


def wilson_ends(p: Floats, n: Floats, a: float, moved: float = 0.0) -> tuple[Floats, Floats]:
    """[...] both ends of the score interval of a share `p` of `n` rows, at the one-sided error `a`."""
    z = -ndtri(a)
    low = _rejected(np.maximum(p - moved / n, 0.0), n, -z)
    high = _rejected(np.minimum(p + moved / n, 1.0), n, z)
    # at p = 0 and 1 the bound is the end itself, which rounding would miss
    return np.where((p == 0) & (z > 0), 0.0, low), np.where((p == 1) & (z > 0), 1.0, high)


def _rejected(p: Floats, n: Floats, z: float) -> Floats:
    """Where the score test begins to reject, seen from a share `p`: above it for z > 0, below it for z < 0."""
    middle, reach = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.asarray((middle + reach) / (1 + z**2 / n))
