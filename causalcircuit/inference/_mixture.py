"""The asymptotic confidence sequence, in Student's form: intervals that hold at every look, for smooth arithmetic.

With one number a unit, t = (θ̂ − θ)/se is the t statistic of θ after n units. Where units are normal with mean θ, the
likelihood ratio of "the standardised mean is δ" to "it is 0" given all statistics t so far, mixed over δ ~ N(0, g) and
δ > 0, is a martingale from n = 2 on:

    M_n = 2 B_n F_n(x),  B_n = (1 + ng)^(−1/2) [(1 + t²/ν) / (1 + t²/(ν(1 + ng)))]^(n/2),  ν = n − 1,
    x = t n √(g/(1 + ng)) / √(ν(1 + t²/(ν(1 + ng))))

with the distribution function F_n of Student's t with n degrees of freedom (Lai 1976, Ann. Statist. 4; Wang & Ramdas
2023, arXiv 2310.03722). By Ville's inequality P(some n: M_n ≥ 1/a) ≤ a: each bound is wrong at some look with chance at
most a, the interval with at most 2a. Units that are not normal, and estimands that the jackknife linearises (ratios,
conditions, clusters of several sizes), have it in the limit of many units, where the boundary is that of the asymptotic
confidence sequences of Waudby-Smith et al. (2021, arXiv 2103.06476). The side of the long tail is lengthened as that of
the default interval is (`_student`): of null runs with exponential units, 6% rejected without it at some look from the
40th unit on, 2.4% with it. The first look is at unit 30; docs/sequential.md has the simulations.
"""

from __future__ import annotations

import math
from functools import lru_cache

from causalcircuit.inference._arithmetic import corner_in, value_of
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._special import stdtr
from causalcircuit.inference._student import SKEWED, deviations, lengthening, scale_factor, skew_factor
from causalcircuit.query import Options

USUAL_HORIZON = 100
"""Units at which the interval is narrowest where no run says otherwise."""
TUNED = 0.95
"""The level at which sequences are narrowest: one for all, so that intervals of all levels are of one sequence."""
BURN_IN = 30
"""Units at the first look: fewer are not near enough to normal."""


def _refuse(shape: Shape) -> str:
    return "" if corner_in(shape.combine) is None else "its corner is no smooth function of means"


@estimator("asymptotic", refuse=_refuse, anytime=True)
def asymptotic(problem: Problem, options: Options) -> Fit:
    """The mixture of one-sided t statistics, on the jackknife."""
    d, count, df = deviations(problem), problem.units.count, problem.df
    squares = (d**2).sum(axis=-1)
    se = np.sqrt(scale_factor(count) * squares)
    with np.errstate(all="ignore"):
        skew = np.where(squares > 0, skew_factor(count) * (d * d * d).sum(axis=-1) / squares**1.5, 0.0)
    value = value_of(problem.shape.combine, problem.units.mean)
    g = spread_at(horizon_of(options), TUNED)
    blind = (df + 1 < BURN_IN) | (squares == 0)

    def bounds(a: float) -> tuple[Floats, Floats]:
        q = np.vectorize(lambda n: reached(int(n), g, a), otypes=[np.float64])(df + 1)
        never = blind | ~np.isfinite(q)
        q = np.where(never, 0.0, q)
        more = lengthening(q)
        low, high = (se * (q + np.maximum(sign * skew, 0) * more) for sign in (-1, 1))
        return np.where(never, -np.inf, value - low), np.where(never, np.inf, value + high)

    def reason(a: float) -> str:
        if not bool(np.any(blind)):
            return ""
        few = f"an asymptotic sequence begins at {BURN_IN} {units}"
        return "so far all units agree: nothing shows how they vary" if bool(np.all(squares == 0)) else few

    units = "clusters" if problem.shape.clustered else "rows"
    return Fit(value, bounds, f"asymptotic confidence sequence{SKEWED}, {units} as units", df, reason)


def horizon_of(options: Options) -> int:
    """The units at which the interval is to be narrowest."""
    found = None if options.until is None else options.until.horizon
    return USUAL_HORIZON if found is None else max(2, found)


def spread_at(horizon: int, level: float) -> float:
    """g: the variance of the prior that makes the interval about narrowest at `horizon` (2103.06476, appendix B.2)."""
    alpha = 1 - level
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / horizon


@lru_cache(maxsize=65536)
def reached(n: int, g: float, a: float) -> float:
    """The t at which M_n is 1/a: how many standard errors a bound lies from the estimate; ∞ where none is enough."""
    goal = -math.log(a)
    low, high = -1e3, 1.0
    if mixture(low, n, g) >= goal:
        return -math.inf
    while mixture(high, n, g) < goal:
        high *= 4
        if high > 1e9:
            return math.inf
    while high - low > 1e-12 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if mixture(middle, n, g) >= goal else (middle, high)
    return high


def mixture(t: float, n: int, g: float) -> float:
    """Log M_n at the t statistic `t` of `n` units."""
    nu, more = n - 1, 1 + n * g
    inner = t * t / (nu * more)
    ratio = -0.5 * math.log(more) + 0.5 * n * (math.log1p(t * t / nu) - math.log1p(inner))
    x = t * n * math.sqrt(g / more) / math.sqrt(nu * (1 + inner))
    below = float(stdtr(n, x))
    return math.log(2) + ratio + math.log(below) if below > 0 else -math.inf
