"""Verdicts on claims, alone or as a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference._bootstrap import DEFAULT_RESAMPLES
from causalcircuit.inference._estimators import ESTIMATORS, is_estimator
from causalcircuit.inference._infer import infer
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._numpy import np
from causalcircuit.inference._options import check_regions, check_resamples
from causalcircuit.inference._sample import Sample
from causalcircuit.query import Claim, Interval, Options, Region, Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one claim.

    Attributes:
        inferred: its estimate.
        interval: simultaneous over the family, at `level`; `None` with a `reason`.
        p, p_refute: of the claim and of its refutation, alone; `None` where there is no interval to invert.
        p_adjusted, p_refute_adjusted: in the family.
        note: where the printed interval and the verdict disagree.
    """

    verdict: Verdict
    inferred: Inferred
    interval: Interval | None
    level: float
    p: float | None
    p_adjusted: float | None
    p_refute: float | None
    p_refute_adjusted: float | None
    reason: str = ""
    note: str = ""


def decide(
    samples: Sequence[Sample],
    claims: Sequence[Claim],
    correction: Literal["none", "holm"],
    alpha: float,
    options: Options,
) -> list[Decision]:
    """Judge claims, each on its sample.

    Without correction a verdict is read off the claim's interval; under Holm it is read off the adjusted p, and
    the interval shown holds simultaneously (Bonferroni), so it may be wider than the verdict needs.

    Raises:
        DiagnosticError: CQ606 too few resamples, CQ613 an alpha that is none; those of `infer`.
    """
    if not 0 < alpha < 0.5:
        raise error("CQ613", f"α = {alpha:g} is no error rate", help="an α lies between 0 and 0.5: `alpha 0.05`")
    family = len(claims) if correction == "holm" else 1
    if not options.population and is_estimator(options.method) and ESTIMATORS[options.method].random:
        two_sided = any(c.region.outside for c in claims)
        DiagnosticError.raise_if(
            check_resamples(family, alpha, two_sided, options.resamples or DEFAULT_RESAMPLES, options.method)
        )
    DiagnosticError.raise_if(check_regions((c.region for c in claims), options))
    levels = [claim_level(c.region, alpha / family) for c in claims]
    inferred = [
        infer(sample, Options(options.method, options.resamples, level, options.seed, options.population))
        for sample, level in zip(samples, levels, strict=True)
    ]
    if options.population:
        return [_exact(x, c.region) for x, c in zip(inferred, claims, strict=True)]
    support = [x.p_inside(c.region) for x, c in zip(inferred, claims, strict=True)]
    refute = [x.p_outside(c.region) for x, c in zip(inferred, claims, strict=True)]
    adjust = holm if correction == "holm" else list
    found = zip(inferred, claims, support, adjust(support), refute, adjust(refute), strict=True)
    return [_judged(x, c, p, p_all, q, q_all, alpha, correction) for x, c, p, p_all, q, q_all in found]


def claim_level(region: Region, alpha: float) -> float:
    """The level of a claim's interval: 1 − 2α for one-sided and equivalence claims, else 1 − α."""
    return 1 - alpha if region.outside else 1 - 2 * alpha


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values (Holm 1979); a claim without a p counts in the family as one that is never rejected."""
    p = np.array([1.0 if x is None else x for x in ps])
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [None if x is None else float(y) for x, y in zip(ps, adjusted, strict=True)]


def _judged(
    x: Inferred,
    claim: Claim,
    p: float | None,
    p_adjusted: float | None,
    q: float | None,
    q_adjusted: float | None,
    alpha: float,
    correction: str,
) -> Decision:
    seen = _by_interval(x.interval, claim.region)
    verdict: Verdict = seen
    if correction != "none" or (x.interval is None and p is not None and x.tests_zero):
        verdict = (
            "supported" if _reaches(p_adjusted, alpha) else "refuted" if _reaches(q_adjusted, alpha) else "inconclusive"
        )
    note = ""
    if verdict != seen and x.interval is not None:
        note = f"by the adjusted p: {verdict}; the simultaneous interval shown, wider, alone would leave it {seen}"
    return Decision(verdict, x, x.interval, x.level, p, p_adjusted, q, q_adjusted, x.reason, note)


def _reaches(p: float | None, alpha: float) -> bool:
    return p is not None and p <= alpha


def _exact(x: Inferred, region: Region) -> Decision:
    """A population is known: its value lies inside or it does not."""
    point = None if x.value is None else Interval(x.value, x.value)
    return Decision(_by_interval(point, region), x, None, x.level, None, None, None, None, x.reason)


def _by_interval(interval: Interval | None, region: Region) -> Verdict:
    if interval is None:
        return "inconclusive"
    low, high = interval.low, interval.high
    if region.closed:
        within, beyond = region.low <= low and high <= region.high, low > region.high or high < region.low
    else:
        within, beyond = region.low < low and high < region.high, low >= region.high or high <= region.low
    if region.outside:
        within, beyond = beyond, within
    return "supported" if within else "refuted" if beyond else "inconclusive"
