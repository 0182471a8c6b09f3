"""One quantile: the values between which it lies, whatever the rows' distribution is.

Rows that are independent: order statistics, exactly by the binomial (Thompson 1936, "On confidence ranges for the
median", Ann. Math. Statist. 7), so it covers at least its level. Clusters and weights: the interval of the share of
rows at most as large, carried over to the values (Woodruff 1952, "Confidence intervals for medians and other position
measures", JASA 47).
"""

from __future__ import annotations

from collections.abc import Callable

from causalcircuit.inference._arithmetic import linear
from causalcircuit.inference._estimators import Fit, Problem, Shape, estimator
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._order import quantiles, quantiles_in
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._special import bdtr, bdtrc
from causalcircuit.inference._student import t_fit
from causalcircuit.inference._units import units_of
from causalcircuit.query import Call, Expr, Options, Term, children, rebuild, walk

Ends = Callable[[float], tuple[float, float]]

_TIED = 0.05
"""The share of rows at one value from which on it is taken for a value that rows have in common."""


def is_quantile(shape: Shape) -> bool:
    """Whether the estimand is one quantile, up to a factor and a constant."""
    inside = [e for e in walk(shape.combine) if isinstance(e, Call | Term)]
    alone = len(inside) == 2 and len(quantiles_in(shape.combine)) == 1
    return alone and linear(_bare(shape.combine), shape.k) is not None


def _bare(e: Expr) -> Expr:
    """The arithmetic with the term itself for its quantile."""
    return e.arguments[0] if isinstance(e, Call) and e.function == "quantile" else rebuild(e, _bare)


def tied(problem: Problem) -> bool:
    """Whether many rows share the value of a quantile: what it would be linearised by, a density, is not there.

    Arithmetic of such quantiles is carried out on their intervals.
    """
    sample = problem.sample
    for term, share in quantiles_in(problem.shape.combine).items() if sample is not None else ():
        values = sample.raw[term] if sample is not None else np.empty(0)
        at = np.sort(values)[int(share * (len(values) - 1))]
        if (values == at).sum() > max(2.0, _TIED * len(values)):
            return True
    return False


def atoms(e: Expr) -> list[Expr]:
    """The means, quantiles and correlations that an estimand is made of, each once."""
    if isinstance(e, Term) or (isinstance(e, Call) and e.function in ("quantile", "correlation")):
        return [e]
    return list(dict.fromkeys(atom for child in children(e) for atom in atoms(child)))


def _refuse(shape: Shape) -> str:
    return "" if is_quantile(shape) else "it is no single quantile `quantile(Y, 0.5)`"


@estimator("order", refuse=_refuse)
def quantile(problem: Problem, options: Options) -> Fit:
    """Order statistics around the quantile."""
    sample, coefficients = problem.sample, linear(_bare(problem.shape.combine), problem.shape.k)
    if sample is None or coefficients is None:
        raise ValueError("no quantile of rows")
    [(term, share)] = quantiles_in(problem.shape.combine).items()
    values, slope, constant = sample.raw[term], coefficients[term], coefficients[-1]
    weight = np.ones(len(values)) if sample.weight is None else sample.weight
    at = quantiles(values, weight[None], share)[0]
    clustered = sample.cluster is not None or sample.weight is not None
    if clustered:
        bounds, words, df = _carried(problem, sample, values, float(at), share)
    else:
        bounds, words, df = _exact(values, share), "order statistics, exact by the binomial", None

    def ends(a: float) -> tuple[Floats, Floats]:
        low, high = (slope * x + constant for x in bounds(a))
        return (np.asarray(low), np.asarray(high)) if slope > 0 else (np.asarray(high), np.asarray(low))

    def reason(a: float) -> str:
        if np.isfinite(ends(a)).all():
            return ""
        return f"{len(values)} rows are too few to bound the quantile at {share:g} on both sides at this level"

    return Fit(np.asarray(slope * at + constant), ends, words, df, reason)


def _exact(values: Floats, share: float) -> Ends:
    ranked, n = np.sort(values), len(values)
    at_most = bdtr(np.arange(n), n, share)  # P(at most k of the rows lie below the quantile)
    more = bdtrc(np.arange(n), n, share)

    def bounds(a: float) -> tuple[float, float]:
        low, high = int((at_most <= a).sum()), int((more > a).sum())
        return (float(ranked[low - 1]) if low else -np.inf), (float(ranked[high]) if high < n else np.inf)

    return bounds


def _carried(
    problem: Problem, sample: Sample, values: Floats, at: float, share: float
) -> tuple[Ends, str, Floats | None]:
    """The bounds by the share of rows up to the quantile, their words and degrees of freedom."""
    below = (values <= at).astype(np.float64)[:, None]
    events = Problem(
        Shape(Term(0), (True,), problem.shape.clustered, problem.shape.weighted),
        units_of(below, None, sample.cluster, sample.weight),
    )
    fit = t_fit(events, skewed=True)
    middle, order = float(fit.value), np.argsort(values, kind="stable")
    weight = np.ones(len(values)) if sample.weight is None else sample.weight
    ranked, reached = values[order], np.cumsum(weight[order]) / weight.sum()

    def bounds(a: float) -> tuple[float, float]:
        least, most = (float(x) for x in fit.bounds(a))
        # where the share is low its upper bound still reaches, and the other way round
        low = int((reached <= share - (most - middle)).sum())
        high = int((reached < share + (middle - least)).sum())
        return (float(ranked[low - 1]) if low else -np.inf), (float(ranked[high]) if high < len(ranked) else np.inf)

    return bounds, f"order statistics by the share below them, {fit.method}", fit.df
