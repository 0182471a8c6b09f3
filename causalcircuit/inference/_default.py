"""The default interval: analytic, without a seed, chosen by the form of the estimand."""

from __future__ import annotations

from causalcircuit.inference._arithmetic import corner_in
from causalcircuit.inference._estimators import Fit, Problem, estimator
from causalcircuit.inference._image import image_fit
from causalcircuit.inference._probability import is_probability, wilson
from causalcircuit.inference._ratio import fieller_fit, is_ratio
from causalcircuit.inference._student import deviations, t_fit
from causalcircuit.query import Options


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
            return wilson(problem, options)
    if is_ratio(shape):
        return fieller_fit(problem, skewed=True)
    return t_fit(problem, skewed=True)
