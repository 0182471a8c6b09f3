"""Verdicts on claims, alone or as a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference._bootstrap import DEFAULT_RESAMPLES
from causalcircuit.inference._corrections import Ps, adjusted, errors
from causalcircuit.inference._estimators import ESTIMATORS, is_estimator
from causalcircuit.inference._infer import infer
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._max_t import together
from causalcircuit.inference._options import check_regions, check_resamples
from causalcircuit.inference._sample import Sample
from causalcircuit.inference._stages import Gate, gated
from causalcircuit.query import Claim, Interval, Options, Region, Verdict
from causalcircuit.query.families import Correction


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
    correction: Correction,
    alpha: float,
    options: Options,
) -> list[Decision]:
    """Judge claims, each on its sample; the samples are of the same rows.

    Without correction a verdict is read off the claim's interval; in a family it is read off the adjusted p, and the
    interval shown holds simultaneously (Bonferroni; as the estimates vary together under `max_t`; of false coverage
    rate under `bh` and `by`), so it may be wider than the verdict needs. Claims of a later stage are judged only where
    all of the stages before it are supported.

    Raises:
        DiagnosticError: CQ606 too few resamples, CQ613 an alpha that is none; those of `infer`.
    """
    if not 0 < alpha < 0.5:
        raise error("CQ613", f"α = {alpha:g} is no error rate", help="an α lies between 0 and 0.5: `alpha 0.05`")
    if not options.population and is_estimator(options.method) and ESTIMATORS[options.method].random:
        two_sided = any(c.region.outside for c in claims)
        resamples = options.resamples or DEFAULT_RESAMPLES
        found = check_resamples(len(claims), alpha, two_sided, resamples, options.method, correction)
        DiagnosticError.raise_if(found)
    DiagnosticError.raise_if(check_regions((c.region for c in claims), options))
    joint = None
    if correction == "max_t" and not options.population:
        joint = together(samples, [c.region for c in claims], options.seed)
        each = [joint.error(alpha)] * len(claims)
    else:
        each = errors([None] * len(claims), [None] * len(claims), correction, alpha)
    inferred = [_inferred(s, c, a, options) for s, c, a in zip(samples, claims, each, strict=True)]
    stages = [c.stage for c in claims]
    if options.population:
        exact = [_exact(x, c.region) for x, c in zip(inferred, claims, strict=True)]
        shut = gated([d.verdict == "supported" for d in exact], [c.name for c in claims], stages)
        return [d if not why else _untested(d, why) for d, why in zip(exact, shut, strict=True)]

    def adjust(ps: Ps, places: Sequence[int]) -> list[float | None]:
        return adjusted(ps, correction) if joint is None else joint.of(places).adjusted(ps)

    support = [x.p_inside(c.region) for x, c in zip(inferred, claims, strict=True)]
    refute = [x.p_outside(c.region) for x, c in zip(inferred, claims, strict=True)]
    gate = Gate.of(support, refute, stages, [c.name for c in claims], alpha, adjust)
    wanted = errors(gate.support, gate.refute, correction, alpha) if joint is None else each
    out = []
    for i, (x, claim) in enumerate(zip(inferred, claims, strict=True)):
        shown = x if wanted[i] == each[i] else _inferred(samples[i], claim, wanted[i], options)
        ps = (support[i], gate.support[i], refute[i], gate.refute[i])
        made = _judged(shown, claim, ps, alpha, correction)
        out.append(_untested(made, gate.shut[i]) if gate.shut[i] else made)
    return out


def _inferred(sample: Sample, claim: Claim, error_rate: float, options: Options) -> Inferred:
    level = claim_level(claim.region, error_rate)
    return infer(sample, replace(options, level=level))


def claim_level(region: Region, alpha: float) -> float:
    """The level of a claim's interval: 1 − 2α for one-sided and equivalence claims, else 1 − α."""
    return 1 - alpha if region.outside else 1 - 2 * alpha


def _judged(
    x: Inferred,
    claim: Claim,
    ps: tuple[float | None, float | None, float | None, float | None],
    alpha: float,
    correction: str,
) -> Decision:
    """A verdict by the p of the claim, adjusted, and by those of its refutation."""
    p, p_adjusted, q, q_adjusted = ps
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


def _untested(d: Decision, why: str) -> Decision:
    """A claim behind a gate that is shut."""
    return replace(d, verdict="inconclusive", note=why)


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
