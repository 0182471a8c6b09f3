"""One probability over independent rows: Wilson's score interval (Wilson 1927, JASA 22)."""

from __future__ import annotations

from causalcircuit.inference._arithmetic import linear, terms_in
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._special import ndtri
from causalcircuit.query import Options


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
    """Wilson's interval; the unit is counted, so on clusters that all agree it is the cluster."""
    shape, units = problem.shape, problem.units
    [term] = terms_in(shape.combine)
    coefficients = linear(shape.combine, shape.k)
    if coefficients is None:
        raise ValueError("no linear estimand")
    p, n = units.mean[..., term], units.counts[..., term]
    slope, constant = coefficients[term], coefficients[-1]

    def bounds(a: float) -> tuple[Floats, Floats]:
        low, high = wilson_ends(p, n, a)
        ends = slope * low + constant, slope * high + constant
        return ends if slope > 0 else (ends[1], ends[0])

    counted = "clusters" if shape.clustered else "rows"
    return Fit(np.asarray(slope * p + constant), bounds, f"Wilson's score interval, {counted} counted")


def wilson_ends(p: Floats, n: Floats, a: float) -> tuple[Floats, Floats]:
    """[...] both ends of the score interval of a share `p` of `n` rows, at the one-sided error `a`."""
    z = -ndtri(a)
    middle = p + z**2 / (2 * n)
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # at p = 0 and 1 the bound is the end itself, which rounding would miss
    low = np.where((p == 0) & (z > 0), 0.0, (middle - reach) / (1 + z**2 / n))
    high = np.where((p == 1) & (z > 0), 1.0, (middle + reach) / (1 + z**2 / n))
    return low, high
