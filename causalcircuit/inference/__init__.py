"""Intervals, tests, families: what a table of outcomes says about an estimand. Sees tables, never models."""

from causalcircuit.inference import _default  # noqa: F401  registers the estimators
from causalcircuit.inference._decide import Decision, claim_level, decide, holm
from causalcircuit.inference._estimators import ESTIMATORS, Estimator, Fit, Problem, Shape, estimator
from causalcircuit.inference._infer import infer
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._options import check_options, check_resamples
from causalcircuit.inference._sample import Sample, sample_of
from causalcircuit.inference._units import Units, units_of

__all__ = [
    "ESTIMATORS",
    "Decision",
    "Estimator",
    "Fit",
    "Inferred",
    "Problem",
    "Sample",
    "Shape",
    "Units",
    "check_options",
    "check_resamples",
    "claim_level",
    "decide",
    "estimator",
    "holm",
    "infer",
    "sample_of",
    "units_of",
]
