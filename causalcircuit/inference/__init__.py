"""Intervals, tests, families: what a table of outcomes says about an estimand. Sees tables, never models."""

from causalcircuit.inference import _default, _permutation, _studentised  # noqa: F401  registers the estimators
from causalcircuit.inference._binomial import Share, fewest_draws
from causalcircuit.inference._decide import Decision, claim_level, decide, holm
from causalcircuit.inference._estimators import ESTIMATORS, Estimator, Fit, Problem, Shape, estimator
from causalcircuit.inference._exchange import Exchange, p_of
from causalcircuit.inference._finding import Finding, Judgement, judge
from causalcircuit.inference._hsic import Dependence, dependence, rows_that_enter
from causalcircuit.inference._infer import infer
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._options import check_options, check_regions, check_resamples
from causalcircuit.inference._sample import Sample, sample_of
from causalcircuit.inference._trial import check_trial
from causalcircuit.inference._units import Units, units_of

__all__ = [
    "ESTIMATORS",
    "Decision",
    "Dependence",
    "Estimator",
    "Exchange",
    "Finding",
    "Fit",
    "Inferred",
    "Judgement",
    "Problem",
    "Sample",
    "Shape",
    "Share",
    "Units",
    "check_options",
    "check_regions",
    "check_resamples",
    "check_trial",
    "claim_level",
    "decide",
    "dependence",
    "estimator",
    "fewest_draws",
    "holm",
    "infer",
    "judge",
    "p_of",
    "rows_that_enter",
    "sample_of",
    "units_of",
]
