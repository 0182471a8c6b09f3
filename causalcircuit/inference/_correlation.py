"""One correlation: a t interval on Fisher's scale, atanh r, with the jackknife's standard error, carried back.

A correlation is a mean of products, whose tails are heavier than those of either side, so its standard error is itself
uncertain: the degrees of freedom are matched to the kurtosis of the jackknife, and the side of the long tail is
lengthened as for means (for 30 exponential rows Student's t alone covers 91 to 92%; see docs/coverage.md).

The scale makes the estimate nearly symmetric and keeps the interval inside (−1, 1) (Fisher 1915, Biometrika 10); the
jackknife, unlike the textbook 1/√(n − 3), needs no normal rows and takes whole clusters and weights (Efron & Gong
1983, "A leisurely look at the bootstrap, the jackknife, and cross-validation").
"""

from __future__ import annotations

from dataclasses import replace

from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._student import t_fit
from causalcircuit.query import Call, Options


def is_correlation(shape: Shape) -> bool:
    """Whether the estimand is one correlation."""
    return isinstance(shape.combine, Call) and shape.combine.function == "correlation"


def _refuse(shape: Shape) -> str:
    return "" if is_correlation(shape) else "it is no single correlation `correlation(A, B)`"


@estimator("fisher", refuse=_refuse)
def fisher(problem: Problem, options: Options) -> Fit:
    """Student's t for atanh r."""
    fit = t_fit(problem.about(Call("atanh", (problem.shape.combine,))), skewed=True, matched=True)

    def bounds(a: float) -> tuple[Floats, Floats]:
        low, high = fit.bounds(a)
        return np.tanh(low), np.tanh(high)

    def reason(a: float) -> str:
        return "" if np.isfinite(fit.bounds(a)).all() else "without one of the rows a side would not vary, or r is 1"

    kind = "cluster-robust t" if problem.shape.clustered else "t"
    words = f"{kind} on Fisher's scale, by the jackknife"
    return replace(fit, value=np.tanh(fit.value), bounds=bounds, method=words, reason=reason)
