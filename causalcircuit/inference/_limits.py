"""Where an interval is known to cover too little, said with the result: what docs/coverage.md shows of such rows."""

from __future__ import annotations

from causalcircuit.diagnostics import Diagnostic, warning
from causalcircuit.inference._estimators import Problem
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._probability import is_probability
from causalcircuit.inference._student import deviations
from causalcircuit.query import Call, Expr, walk

MANY, FEWEST = 200, 20
"""From so many units on the methods cover skewed rows too; of fewer than the second no sample shows its own shape."""
SKEWED, ALONE = 1.0, 0.5
"""The skewness, and the share of the variance carried by one unit, from which something is said."""

_SYMMETRIC = ("student", "fieller", "delta", "percentile", "basic", "bca", "bootstrap")
"""Methods that cover less than 94% of 30 exponential rows (skewness 2)."""


def limits(problem: Problem, method: str) -> tuple[Diagnostic, ...]:
    """CQ921, a method outside of its limits; CQ922, one unit that carries most of an interval."""
    d = deviations(problem)
    units, unit = int(problem.units.count), "cluster" if problem.shape.clustered else "row"
    squares = float((d**2).sum())
    if not FEWEST <= units < MANY or not 0 < squares < np.inf or is_probability(problem.shape):
        return ()
    said = []
    skewness = _skewness(d, units)
    if method in _SYMMETRIC and abs(skewness) > SKEWED:
        message = f"`{method}` covers too little of {units} {unit}s with so long a tail (skewness {skewness:.1f})"
        way = "leave the method out: the default is lengthened for skewness; or `with studentised(2000)` and a seed"
        said.append(warning("CQ921", message, help=way))
    elif method in _SYMMETRIC and _correlations(problem.shape.combine) and units < MANY / 2:
        message = f"`{method}` covers too little of correlations of {units} {unit}s"
        said.append(warning("CQ921", message, help="leave the method out: the default works on Fisher's scale"))
    share = float((d**2).max()) / squares
    if share > ALONE:
        message = f"one of {units} {unit}s carries {share:.0%} of the variance: the interval rests on it"
        way = f"look at that {unit}; more {unit}s, or a quantile, `quantile(Y, 0.5)`, depend less on one"
        said.append(warning("CQ922", message, help=way))
    return tuple(said)


def _skewness(d: Floats, units: int) -> float:
    """The adjusted Fisher-Pearson coefficient of what the units carry."""
    moment = float((d**3).sum()) * np.sqrt(units) / float((d**2).sum()) ** 1.5
    return float(moment * np.sqrt(units * (units - 1)) / (units - 2))


def _correlations(e: Expr) -> bool:
    return any(isinstance(x, Call) and x.function == "correlation" for x in walk(e))
