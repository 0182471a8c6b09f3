"""From a sample to an estimate with its intervals: choose, refuse, override, guard."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.inference._arithmetic import constant, corner_in, guards, terms_in, value_of
from causalcircuit.inference._bounded import bounded, is_bounded
from causalcircuit.inference._estimators import (
    ESTIMATORS,
    FEW_CLUSTERS,
    MANY_CLUSTERS,
    Fit,
    Problem,
    Shape,
    is_estimator,
)
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._limits import limits
from causalcircuit.inference._numpy import np
from causalcircuit.inference._options import refusals, unknown_method
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._student import deviations, t_fit
from causalcircuit.inference._units import units_in
from causalcircuit.query import Binary, Call, Interval, Options, walk


def infer(sample: Sample, options: Options) -> Inferred:
    """The estimate of a sample's estimand and its interval.

    An estimate or interval that does not exist is `None` with a reason, never NaN.

    Raises:
        DiagnosticError: CQ601, CQ607, CQ608: the method is unknown, or none for this estimand.
    """
    shape = Shape(sample.combine, sample.events, sample.cluster is not None, sample.weight is not None)
    problem = Problem(shape, units_in(sample), sample)
    value = float(value_of(shape.combine, problem.units.mean))
    clusters = int(problem.units.count) if shape.clustered else None
    blank = Inferred(None, None, options.level, "", sample.n, clusters)
    if options.population:
        if not math.isfinite(value):
            return replace(blank, method=EXACT, reason=_no_value(problem))
        return replace(blank, value=value, method=EXACT, _ends=lambda a: (value, value))
    method, warnings = _method(shape, problem, options)
    blank = replace(blank, method=options.method if options.method != "default" else "", warnings=warnings)
    if not terms_in(shape.combine):
        return _known(blank, value)
    if int(problem.df) < 1:
        return _alone(blank, value, problem)
    if not math.isfinite(value):
        return replace(blank, reason=_no_value(problem))
    fit = ESTIMATORS[method].fit(problem, options)
    guarded = _Guarded(fit, tuple(_guard(problem, method, options)))
    done = replace(
        blank,
        value=value,
        method=fit.method,
        df=None if fit.df is None else float(fit.df),
        warnings=(*warnings, *limits(problem, method), *_notes(problem)),
        _ends=None if ESTIMATORS[method].tests_zero else guarded.ends,
        _why=guarded.reason,
        _tails=fit.tails,
    )
    interval, reason = done.interval_at(options.level), done.reason_at(options.level)
    undefined = bool(guarded.blocked((1 - options.level) / 2))
    return replace(done, interval=interval, reason=reason, value=None if undefined else value)


def _known(blank: Inferred, value: float) -> Inferred:
    """Numbers without a mean among them."""
    if not math.isfinite(value):
        return replace(blank, reason="undefined: a division by 0, or no real number")
    point = Interval(value, value)
    return replace(blank, value=value, interval=point, method="a number", _ends=lambda a: (value, value))


def _alone(blank: Inferred, value: float, problem: Problem) -> Inferred:
    """A mean over one sampling unit: a value, and nothing that says how it would vary."""
    unit = "cluster" if problem.shape.clustered else "row"
    reason = f"an interval needs at least two {unit}s in every mean"
    only = warning(
        "CQ916",
        f"a mean rests on one {unit}: nothing shows how much {unit}s differ, so there is no interval",
        help="add rows of other clusters" if problem.shape.clustered else "add rows, or look at the condition",
    )
    kept = value if math.isfinite(value) else None
    return replace(blank, value=kept, reason=reason, warnings=(*blank.warnings, only))


EXACT = "exact: these rows are the population"


def sequential(problem: Problem, options: Options) -> str:
    """The estimator of a run that may stop: bets where outcomes are bounded, else the asymptotic sequence."""
    return "betting" if is_bounded(problem.shape) and bounded(problem, options) is not None else "asymptotic"


def _method(shape: Shape, problem: Problem, options: Options) -> tuple[str, tuple[Diagnostic, ...]]:
    """The estimator that is used, and what is to be said about it."""
    if not is_estimator(options.method):
        raise unknown_method(options.method)
    chosen = sequential(problem, options) if options.until and options.method == "default" else options.method
    asked = ESTIMATORS[chosen]
    found = refusals(shape, options)
    if found:
        raise error(found[0].code, found[0].message, help=found[0].help)
    if not shape.clustered or not terms_in(shape.combine):
        return asked.name, ()
    fewest = int(problem.df) + 1
    if fewest >= MANY_CLUSTERS or asked.tests_zero or asked.anytime:
        return asked.name, ()
    if asked.random and fewest < FEW_CLUSTERS:
        override = warning(
            "CQ610",
            f"only {fewest} clusters: the {asked.name} is replaced by a cluster-robust t interval",
            help=f"a bootstrap of under {FEW_CLUSTERS} clusters covers too little; more clusters bring it back",
        )
        return "default", (override,)
    few = warning(
        "CQ609",
        f"only {fewest} cluster{'' if fewest == 1 else 's'}: intervals are rough under {MANY_CLUSTERS}",
        help="the number of clusters counts, not the number of rows: add clusters",
    )
    return asked.name, (few,)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A fit together with the parts that must be told apart from 0 for it to mean anything."""

    fit: Fit
    parts: tuple[tuple[str, bool, Fit], ...]

    def blocked(self, a: float) -> str:
        """Why the estimand has no value at one-sided error `a`: a part's interval holds 0."""
        for name, signed, part in self.parts:
            low, high = (float(x) for x in part.bounds(min(a, 0.5)))
            if low <= 0 and (high >= 0 or not signed):
                shown = f"[{low:.4g}, {high:.4g}]" if math.isfinite(low) and math.isfinite(high) else "without ends"
                verb = "holds 0" if high >= 0 else "lies below 0"
                return f"undefined: the {100 * (1 - 2 * min(a, 0.5)):g}% interval of the {name}, {shown}, {verb}"
        return ""

    def ends(self, a: float) -> tuple[float, float]:
        if self.parts and self.blocked(a):
            return -math.inf, math.inf
        low, high = self.fit.bounds(a)
        return float(low), float(high)

    def reason(self, a: float) -> str:
        return self.blocked(a) or self.fit.reason(a) or "the data bound it on no side at this level"


def _guard(problem: Problem, method: str, options: Options) -> list[tuple[str, bool, Fit]]:
    """A fit for each denominator, logarithm and root, of the kind that the estimand itself gets."""
    if corner_in(problem.shape.combine) is not None:
        return []  # interval arithmetic meets its own zeros
    found = []
    for part, role in guards(problem.shape.combine):
        about = problem.about(part)
        own = ESTIMATORS[method].random or ESTIMATORS[method].anytime
        fit = ESTIMATORS[method].fit(about, options) if own else t_fit(about, skewed=method == "default")
        found.append((role if role == "denominator" else f"part under the {role}", role == "denominator", fit))
    return found


def _no_value(problem: Problem) -> str:
    """Which part keeps the estimate from having a value."""
    for e in walk(problem.shape.combine):
        if isinstance(e, Call) and e.function == "correlation" and np.isnan(value_of(e, problem.units.mean)):
            return "undefined: one side of the correlation does not vary"
    for part, role in guards(problem.shape.combine):
        value = float(value_of(part, problem.units.mean))
        if value == 0 and role == "denominator":
            return "undefined: the denominator is 0"
        if value < 0 or (value == 0 and role == "logarithm"):
            return f"undefined: the part under the {role} is {value:.4g}"
    if any(isinstance(e, Binary) and e.op == "/" and constant(e.right) == 0 for e in walk(problem.shape.combine)):
        return "undefined: the denominator is 0"
    return "undefined: the result is too large, or no real number"


def _notes(problem: Problem) -> tuple[Diagnostic, ...]:
    """A note where rows do not vary at all."""
    if np.any(deviations(problem)):
        return ()
    units = "clusters" if problem.shape.clustered else "rows"
    message = f"identical in 100% of {units}: the interval says nothing about other {units}"
    return (Diagnostic("CQ611", message, severity="note"),)
