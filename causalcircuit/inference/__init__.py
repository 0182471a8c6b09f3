"""Intervals, tests, families: what a table of outcomes says about an estimand. Sees tables, never models."""

from causalcircuit.inference import _bernstein, _betting, _default, _mixture, _permutation, _studentised  # noqa: F401  registers the estimators
from causalcircuit.inference._alike import Shared, contributions, shared
from causalcircuit.inference._arithmetic import value_of
from causalcircuit.inference._binomial import Share, fewest_draws
from causalcircuit.inference._bootstrap import DEFAULT_RESAMPLES
from causalcircuit.inference._corrections import adjusted, errors, holm
from causalcircuit.inference._decide import Decision, claim_level, decide
from causalcircuit.inference._estimators import ESTIMATORS, Estimator, Fit, Problem, Shape, estimator, is_estimator
from causalcircuit.inference._exchange import Exchange, p_of
from causalcircuit.inference._finding import Finding, Judgement, judge
from causalcircuit.inference._hsic import Dependence, dependence, rows_that_enter
from causalcircuit.inference._infer import infer
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._looks import FIRST_LOOK, all_decided, looks, narrow_enough
from causalcircuit.inference._max_t import Together, together
from causalcircuit.inference._options import check_options, check_regions, check_resamples
from causalcircuit.inference._power import Chances, Pilot, at_worst, chances, detectable, pilot_of, units_needed
from causalcircuit.inference._powered import Powered, powered
from causalcircuit.inference._rows import row_values
from causalcircuit.inference._sample import Sample, codes, sample_of
from causalcircuit.inference._trial import check_trial
from causalcircuit.inference._units import Units, units_of

__all__ = [
    "DEFAULT_RESAMPLES",
    "ESTIMATORS",
    "FIRST_LOOK",
    "Chances",
    "Decision",
    "Dependence",
    "Estimator",
    "Exchange",
    "Finding",
    "Fit",
    "Inferred",
    "Judgement",
    "Pilot",
    "Powered",
    "Problem",
    "Sample",
    "Shape",
    "Share",
    "Shared",
    "Together",
    "Units",
    "adjusted",
    "all_decided",
    "at_worst",
    "chances",
    "check_options",
    "check_regions",
    "check_resamples",
    "check_trial",
    "claim_level",
    "codes",
    "contributions",
    "decide",
    "dependence",
    "detectable",
    "errors",
    "estimator",
    "fewest_draws",
    "holm",
    "infer",
    "is_estimator",
    "judge",
    "looks",
    "narrow_enough",
    "p_of",
    "pilot_of",
    "powered",
    "row_values",
    "rows_that_enter",
    "sample_of",
    "shared",
    "together",
    "units_needed",
    "units_of",
    "value_of",
]
