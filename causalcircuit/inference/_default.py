"""The default interval: analytic, without a seed, chosen by the form of the estimand."""

from __future__ import annotations

from dataclasses import replace

from causalcircuit.inference._arithmetic import corner_in
from causalcircuit.inference._correlation import fisher, is_correlation
from causalcircuit.inference._estimators import Fit, Problem, estimator
from causalcircuit.inference._image import image_fit
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._probability import is_probability, range_of, wilson_fit
from causalcircuit.inference._quantile import atoms, is_quantile, quantile, tied
from causalcircuit.inference._ratio import fieller_fit, is_ratio
from causalcircuit.inference._student import deviations, t_fit
from causalcircuit.query import Options


def within_ends(fit: Fit, problem: Problem) -> Fit:
    """The same interval, cut where no probability lies: what is cut off could not be covered."""
    low, high = range_of(problem.shape)

    def bounds(a: float) -> tuple[Floats, Floats]:
        lower, upper = fit.bounds(a)
        return np.clip(lower, low, high), np.clip(upper, low, high)

    return replace(fit, bounds=bounds)


@estimator("default")
def default(problem: Problem, options: Options) -> Fit:
    """Wilson for one probability of independent rows, Fieller for a ratio, else t; see the decision records."""
    shape = problem.shape
    if corner_in(shape.combine) is not None:
        return image_fit(problem, options, default)
    if is_probability(shape):
        independent = not (shape.clustered or shape.weighted)
        # where all units agree a t interval has no width, though little is known
        if independent or not deviations(problem).any():
            return wilson_fit(problem)
        return within_ends(t_fit(problem, skewed=True), problem)
    if is_quantile(shape) and problem.sample is not None:
        return quantile(problem, options)
    if tied(problem):
        return image_fit(problem, options, default, atoms(shape.combine))
    if is_correlation(shape):
        return fisher(problem, options)
    if is_ratio(shape):
        return fieller_fit(problem, skewed=True)
    return t_fit(problem, skewed=True)
