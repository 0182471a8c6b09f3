"""The studentised bootstrap: each replicate is measured in its own standard error (bootstrap-t).

Efron (1982), "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 10; second-order correct for smooth
functions of means: Hall (1988), "Theoretical comparison of bootstrap confidence intervals", Ann. Statist. 16. The
standard error of a replicate is that of its linearisation over the units drawn, so nothing is resampled twice.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import terms_in, value_of
from causalcircuit.inference._bootstrap import DEFAULT_RESAMPLES, chunks, rank_at_least, rank_at_most
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._order import has_quantiles
from causalcircuit.query import Options

_STEP = 1e-3
"""Of a central difference, in standard errors of the mean that is moved: its error is of the order of the square."""

_ROUNDING = 1e-12
"""A variance below this share of its parts is what float64 leaves where nothing varies."""


def _refuse(shape: Shape) -> str:
    return "the error of a quantile is not known in each resample" if has_quantiles(shape.combine) else ""


@estimator("studentised", random=True, refuse=_refuse)
def studentised(problem: Problem, options: Options) -> Fit:
    """Quantiles of the replicates' t statistics, turned around the estimate."""
    resamples = options.resamples or DEFAULT_RESAMPLES
    units = len(problem.units.size)
    value, se = (x[0] for x in _linearised(problem, np.ones((1, units))))
    parts = [_linearised(problem, problem.units.times(c)) for c in chunks(units, resamples, options.seed)]
    values, errors = (np.concatenate(x) for x in zip(*parts, strict=True))
    lost = int((~np.isfinite(values) | ~np.isfinite(errors)).sum())
    with np.errstate(all="ignore"):
        t = (values - value) / errors
    drawn = np.sort(np.where(values == value, 0.0, t))

    def bounds(a: float) -> tuple[Floats, Floats]:
        if lost:
            return np.asarray(-np.inf), np.asarray(np.inf)
        if se == 0:
            return value, value
        return value - rank_at_least(drawn, 1 - a) * se, value - rank_at_most(drawn, a) * se

    def reason(a: float) -> str:
        if lost:
            return f"{lost} of {resamples} resamples have no value: a condition without rows, or a division by 0"
        if np.isfinite(bounds(a)).all():
            return ""
        return "in too many resamples no row varies, so they have no standard error: leave the method out"

    of = "clusters" if problem.shape.clustered else "rows"
    return Fit(value, bounds, f"studentised bootstrap of {of}, {resamples} resamples", reason=reason)


def _linearised(problem: Problem, times: Floats) -> tuple[Floats, Floats]:
    """[B] the estimand, and its standard error, where units count so many `times` [B, G].

    With u the linearised contribution of a unit, the variance is Σ times·u²; its small-sample factor is the same in
    every replicate and cancels.
    """
    units, combine = problem.units, problem.shape.combine
    terms = terms_in(combine)
    sums, sizes = units.total[:, terms], units.size[:, terms]
    with np.errstate(all="ignore"):
        count = times @ sizes
        moved = (times @ sums) / count
    means = np.broadcast_to(units.mean, (len(times), units.mean.shape[-1])).copy()
    means[:, terms] += moved
    slopes = _slopes(problem, means, terms)
    variance, largest = np.zeros(len(times)), np.zeros(len(times))
    for i in range(len(terms)):
        for j in range(i, len(terms)):
            products = np.stack(
                [sums[:, i] * sums[:, j], sizes[:, i] * sums[:, j], sums[:, i] * sizes[:, j], sizes[:, i] * sizes[:, j]]
            )
            both, left, right, weights = products @ times.T
            with np.errstate(all="ignore"):
                crossed = both - moved[:, i] * left - moved[:, j] * right + moved[:, i] * moved[:, j] * weights
                factor = (1 + (i != j)) * slopes[:, i] * slopes[:, j] / (count[:, i] * count[:, j])
                variance += factor * crossed
                largest += np.abs(factor) * (np.abs(both) + np.abs(moved[:, i] * moved[:, j]) * weights)
    variance = np.where(variance > _ROUNDING * largest, variance, np.where(np.isnan(variance), np.nan, 0.0))
    return value_of(combine, means), np.sqrt(variance)


def _slopes(problem: Problem, means: Floats, terms: list[int]) -> Floats:
    """[B, terms] the derivative of the estimand by each mean, at `means` [B, k]."""
    units, combine = problem.units, problem.shape.combine
    out = np.empty((len(means), len(terms)))
    for column, term in enumerate(terms):
        spread = float(np.sqrt((units.total[:, term] ** 2).sum()) / units.size[:, term].sum())
        step = np.zeros(means.shape[-1])
        step[term] = _STEP * spread or 1e-8 * (1.0 + float(units.scale[term]))
        with np.errstate(all="ignore"):
            out[:, column] = (value_of(combine, means + step) - value_of(combine, means - step)) / (2 * step[term])
    return out
