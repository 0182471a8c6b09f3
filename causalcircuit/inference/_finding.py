"""What a test of a circuit found, and the verdicts on several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.inference._decide import holm
from causalcircuit.inference._inferred import Inferred
from causalcircuit.query import Interval, Region, Verdict


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
    """The verdict on one finding, in its family."""

    verdict: Verdict
    p_adjusted: float | None
    p_refute_adjusted: float | None
    interval: Interval | None
    level: float


def judge(found: Sequence[Finding], correction: Literal["none", "holm"], alpha: float) -> list[Judgement]:
    """The verdicts of a family; the intervals hold together, each at α over the number of claims."""
    adjust = holm if correction == "holm" else list
    support, refute = adjust([f.p for f in found]), adjust([f.p_refute for f in found])
    each = alpha / (len(found) if correction == "holm" else 1)
    out = []
    for f, p, q in zip(found, support, refute, strict=True):
        verdict: Verdict = "inconclusive"
        if p is not None and p <= alpha:
            verdict = "supported"
        elif q is not None and q <= alpha:
            verdict = "refuted"
        interval = None if f.bounds is None else Interval(*f.bounds(each))
        out.append(Judgement(verdict, p, q, interval, 1 - 2 * each))
    return out
