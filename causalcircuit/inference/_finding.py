"""What a test of a circuit found, and the verdicts on several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.inference._corrections import adjusted, errors
from causalcircuit.inference._inferred import Inferred
from causalcircuit.inference._stages import Gate
from causalcircuit.query import Interval, Region, Verdict
from causalcircuit.query.families import Correction


@dataclass(frozen=True, slots=True)
class Finding:
    """One number, and how surely it lies where it is claimed to.

    Attributes:
        value: the number. p: of the claim; `None` where no test supports it. p_refute: of its opposite.
        bounds: both ends at a one-sided error; `None` where there is no interval.
        method: in words. notes: what else was found. reason: why there is no value.
        clusters: sampling units, `None` where rows are independent or only the draws are random.
        assumptions: what is taken for granted.
    """

    value: float | None
    p: float | None
    p_refute: float | None
    bounds: Callable[[float], tuple[float, float]] | None = None
    method: str = ""
    notes: tuple[str, ...] = ()
    reason: str = ""
    n: int = 0
    clusters: int | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()

    @classmethod
    def of(cls, found: Inferred, region: Region) -> Finding:
        """An estimate that is claimed to lie in a region."""

        def bounds(a: float) -> tuple[float, float]:
            interval = found.interval_at(1 - 2 * a)
            return (float("-inf"), float("inf")) if interval is None else (interval.low, interval.high)

        return cls(
            found.value,
            found.p_inside(region),
            found.p_outside(region),
            bounds if found.interval is not None else None,
            found.method,
            (),
            found.reason,
            found.n,
            found.clusters,
            (),
            found.warnings,
        )

    def negated(self) -> Finding:
        """The same number, claimed to lie elsewhere."""
        return replace(self, p=self.p_refute, p_refute=self.p)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one finding, in its family; `note` says why it was not tested."""

    verdict: Verdict
    p_adjusted: float | None
    p_refute_adjusted: float | None
    interval: Interval | None
    level: float
    note: str = ""


def judge(
    found: Sequence[Finding],
    correction: Correction,
    alpha: float,
    stages: Sequence[int] = (),
    names: Sequence[str] = (),
) -> list[Judgement]:
    """The verdicts of a family; the intervals hold together (see `errors`).

    Args:
        found: what was found of each claim. correction, alpha: of the family; `max_t` is none for findings.
        stages: the stage of each claim, all one where empty. names: of the claims.
    """
    stages = stages or [0] * len(found)
    names = names or [""] * len(found)
    support, refute = [f.p for f in found], [f.p_refute for f in found]
    gate = Gate.of(support, refute, stages, names, alpha, lambda ps, _: adjusted(ps, correction))
    each = errors(gate.support, gate.refute, correction, alpha)
    out = []
    for f, p, q, shut, a in zip(found, gate.support, gate.refute, gate.shut, each, strict=True):
        verdict: Verdict = "inconclusive"
        if not shut and p is not None and p <= alpha:
            verdict = "supported"
        elif not shut and q is not None and q <= alpha:
            verdict = "refuted"
        interval = None if f.bounds is None else Interval(*f.bounds(a))
        out.append(Judgement(verdict, p, q, interval, 1 - 2 * a, shut))
    return out
