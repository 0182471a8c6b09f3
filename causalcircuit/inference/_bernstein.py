"""The empirical-Bernstein confidence sequence of bounded outcomes.

Theorem 2 of Waudby-Smith & Ramdas (2020, arXiv 2010.09686), a closed form: with weights λ and a share that the units
before the i-th choose, Σλy/Σλ ± (log 1/a + Σ (y_i − share_{i−1})² (−log(1 − λ_i) − λ_i)) / Σλ. It is wider than bets
on the same rows. Units are of one size here.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import value_of
from causalcircuit.inference._betting import unlike
from causalcircuit.inference._bounded import bets, bounded, refuse
from causalcircuit.inference._estimators import Fit, Problem, estimator
from causalcircuit.inference._mixture import TUNED, horizon_of
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.query import Options

_MOST = 0.75
"""The largest λ."""


@estimator("bernstein", refuse=refuse, anytime=True)
def bernstein(problem: Problem, options: Options) -> Fit:
    """Predictable plug-in weights, the closed form."""
    value = value_of(problem.shape.combine, problem.units.mean)
    units = bounded(problem, options)
    if units is None:
        return unlike(value)
    never = np.full_like(value, np.inf)
    if (units.s != 1).any():
        reason = "its units differ in size: `with betting` takes them"
        return Fit(value, lambda a: (-never, never), "none", reason=lambda a: reason)
    share, spread = units.running()
    weight = np.minimum(bets(spread, (1 - TUNED) / 2, horizon_of(options)), _MOST)
    total = weight.sum(axis=-1)
    centre = (weight * units.y).sum(axis=-1) / total
    psi = -np.log1p(-weight) - weight
    off = ((units.y - share) ** 2 * psi).sum(axis=-1)

    def ends(a: float) -> tuple[Floats, Floats]:
        reach = (-np.log(a) + off) / total
        low, high = np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)
        return units.low + units.width * low, units.low + units.width * high

    counted = "clusters" if problem.shape.clustered else "rows"
    return Fit(value, ends, f"empirical-Bernstein confidence sequence, {counted} as units")
