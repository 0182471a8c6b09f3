"""The bootstrap over sampling units: whole clusters are drawn, or rows where rows are independent.

BCa: Efron (1987), "Better bootstrap confidence intervals", JASA 82; the rank convention (B + 1)a and the basic
interval: Davison & Hinkley (1997), "Bootstrap Methods and their Application", chapters 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from causalcircuit.inference._arithmetic import value_of
from causalcircuit.inference._estimators import Bounds, Fit, Problem, estimator
from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.inference._order import quantiles, quantiles_in
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._special import ndtr, ndtri
from causalcircuit.inference._student import deviations
from causalcircuit.query import Options

DEFAULT_RESAMPLES = 2000
_AT_ONCE = 2_000_000
"""Draws held in memory at a time; between such chunks Ctrl-C gets through at once."""


def replicates(problem: Problem, resamples: int, seed: int | None) -> Floats:
    """[B] the estimand over B resamples of units, in ascending order; NaN last, where one has no value.

    The same seed and number of units give the same draws, whatever is estimated: estimands stay comparable.
    """
    units, shares = len(problem.units.size), quantiles_in(problem.shape.combine)
    rows = len(problem.sample.values) if shares and problem.sample is not None else units
    means = []
    for chosen in chunks(units, resamples, seed, rows):
        means.append(problem.units.resampled(chosen))
        if shares and problem.sample is not None:
            with_quantiles(problem.sample, shares, problem.units.times(chosen), means[-1])
    return np.sort(value_of(problem.shape.combine, np.concatenate(means)))


def with_quantiles(sample: Sample, shares: Mapping[int, float], times: Floats, means: Floats) -> None:
    """Put the quantiles of the resamples in the place of means: rows count as often as their unit, by their weight."""
    rows = times if sample.cluster is None else times[:, sample.cluster]
    rows = rows if sample.weight is None else rows * sample.weight
    for term, share in shares.items():
        means[:, term] = quantiles(sample.raw[term], rows, share)


def chunks(units: int, resamples: int, seed: int | None, rows: int = 1) -> Iterator[NDArray[np.intp]]:
    """[b, units] the numbers of the units drawn, so many resamples at a time as memory holds."""
    generator = np.random.default_rng(seed)
    chunk = max(1, _AT_ONCE // max(units, rows))
    for start in range(0, resamples, chunk):
        yield generator.integers(0, units, (min(chunk, resamples - start), units))


Method = Callable[[Problem, Floats, Floats], Bounds]


def _fit(problem: Problem, options: Options, name: str, method: Method) -> Fit:
    """Draw, then leave it to `method` (of the problem, its value and the sorted replicates) to make bounds."""
    resamples = options.resamples or DEFAULT_RESAMPLES
    drawn = replicates(problem, resamples, options.seed)
    value = value_of(problem.shape.combine, problem.units.mean)
    lost = int((~np.isfinite(drawn)).sum())
    bounds = method(problem, value, drawn)
    of = "clusters" if problem.shape.clustered else "rows"

    def kept(a: float) -> tuple[Floats, Floats]:
        return (np.asarray(-np.inf), np.asarray(np.inf)) if lost else bounds(a)

    def reason(a: float) -> str:
        if lost:
            return f"{lost} of {resamples} resamples have no value: a condition without rows, or a division by 0"
        low, high = bounds(a)
        return "" if np.isfinite([low, high]).all() else f"{resamples} resamples do not reach into its tails"

    return Fit(value, kept, f"{name} bootstrap of {of}, {resamples} resamples", reason=reason)


@estimator("bootstrap", "bca", random=True)
def bca(problem: Problem, options: Options) -> Fit:
    """Bias-corrected and accelerated percentiles."""
    return _fit(problem, options, "BCa", _bca)


@estimator("percentile", random=True)
def percentile(problem: Problem, options: Options) -> Fit:
    """Percentiles of the replicates."""
    return _fit(problem, options, "percentile", _percentile)


@estimator("basic", random=True)
def basic(problem: Problem, options: Options) -> Fit:
    """Percentiles of the replicates, mirrored at the estimate."""
    return _fit(problem, options, "basic", _basic)


def _percentile(problem: Problem, value: Floats, drawn: Floats) -> Bounds:
    return lambda a: (rank_at_most(drawn, a), rank_at_least(drawn, 1 - a))


def _basic(problem: Problem, value: Floats, drawn: Floats) -> Bounds:
    return lambda a: (2 * value - rank_at_least(drawn, 1 - a), 2 * value - rank_at_most(drawn, a))


def _bca(problem: Problem, value: Floats, drawn: Floats) -> Bounds:
    # replicates that tie with the estimate differ by less; where all do, by what float64 leaves of the rows
    rounding = 1e-9 * (drawn[-1] - drawn[0]) + 1e-13 * float(problem.units.scale.max())
    below = ((drawn < value - rounding).sum() + (drawn <= value + rounding).sum()) / (2 * len(drawn))
    bias = float(ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    d = deviations(problem)
    d = d - d.mean()
    squares = float((d**2).sum())
    acceleration = float((d**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0

    def share(z: float) -> float:
        """The share of replicates below the bound at the normal quantile `z`; rises with `z`."""
        shifted = bias + z
        room = 1 - acceleration * shifted
        return float(ndtr(bias + shifted / room)) if room > 0 else float(shifted > 0)

    return lambda a: (rank_at_most(drawn, share(float(ndtri(a)))), rank_at_least(drawn, share(-float(ndtri(a)))))


def rank_at_most(drawn: Floats, share: float) -> Floats:
    """The replicate with at most `share` of B + 1 ranks at or below it; −∞ where there is none so low."""
    rank = math.floor((len(drawn) + 1) * share + 1e-9)
    return np.asarray(drawn[min(rank, len(drawn)) - 1] if rank >= 1 else -np.inf)


def rank_at_least(drawn: Floats, share: float) -> Floats:
    """The replicate with at least `share` of B + 1 ranks at or below it; ∞ where there is none so high."""
    rank = math.ceil((len(drawn) + 1) * share - 1e-9)
    return np.asarray(drawn[max(rank, 1) - 1] if rank <= len(drawn) else np.inf)
