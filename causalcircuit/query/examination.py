"""What rows say of a fitted structural model: its diagram's independences, tested, and its arrows, weighed."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from causalcircuit.diagnostics import Diagnostic

if TYPE_CHECKING:
    from causalcircuit.query.estimate import Interval


@dataclass(frozen=True, slots=True)
class Implied:
    """An independence that the diagram implies, held against rows.

    Attributes:
        a, b, given: the statement `a _||_ b | given`. p: alone; None where nothing is tested, with a `reason`.
        p_adjusted: Holm's over all that are tested. correlation: of what `given` leaves of the two, the largest.
    """

    a: str
    b: str
    given: tuple[str, ...]
    p: float | None
    p_adjusted: float | None = None
    correlation: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        """The statement as the language writes it."""
        return f"{self.a} _||_ {self.b}{' | ' + ', '.join(self.given) if self.given else ''}"

    def to_json(self) -> dict[str, Any]:
        """The test for machines."""
        out: dict[str, Any] = {
            "a": self.a,
            "b": self.b,
            "given": list(self.given),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "correlation": self.correlation,
        }
        return {**out, "reason": self.reason} if self.reason else out


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its interval; `reason` where there is none of either."""

    value: float | None
    interval: Interval | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The number for machines."""
        ends = None if self.interval is None else [_finite(self.interval.low), _finite(self.interval.high)]
        out: dict[str, Any] = {"value": self.value, "interval": ends}
        return {**out, "reason": self.reason} if self.reason else out


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow of the model.

    Attributes:
        cause, effect: its ends. slope: what one unit of the cause does directly.
        share: of the effect's variance that would go if the arrow read an independent copy of its cause.
        reason: why there is neither.
    """

    cause: str
    effect: str
    slope: Figure | None
    share: Figure | None
    reason: str = ""

    def __str__(self) -> str:
        """The arrow as `A -> B`."""
        return f"{self.cause} -> {self.effect}"

    def to_json(self) -> dict[str, Any]:
        """The arrow for machines."""
        out: dict[str, Any] = {
            "cause": self.cause,
            "effect": self.effect,
            "slope": None if self.slope is None else self.slope.to_json(),
            "share": None if self.share is None else self.share.to_json(),
        }
        return {**out, "reason": self.reason} if self.reason else out


@dataclass(frozen=True, slots=True)
class Examined:
    """The answer to `check S`.

    Attributes:
        name, graph, data, mechanisms: of the model. n: rows. clusters: sampling units, None where rows are.
        level: of the intervals. alpha: of all tests together.
        verdict: on the independences, in words. contradicted: whether rows contradict one of them.
        tests, arrows: each by itself. unweighed: why no arrow has a strength.
        skipped: causes that were not intervened on though the model has their effects, and why.
        notes: what else is to be said.
    """

    name: str
    graph: str
    data: str
    mechanisms: str
    n: int
    clusters: int | None
    level: float
    alpha: float
    verdict: str
    contradicted: bool
    tests: tuple[Implied, ...]
    arrows: tuple[Arrow, ...]
    unweighed: str = ""
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    comments: tuple[str, ...] = field(default=(), compare=False)
    diagnostics: tuple[Diagnostic, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer for machines."""
        out: dict[str, Any] = {
            "name": self.name,
            "graph": self.graph,
            "data": self.data,
            "mechanisms": self.mechanisms,
            "n": self.n,
            "clusters": self.clusters,
            "level": self.level,
            "alpha": self.alpha,
            "verdict": self.verdict,
            "contradicted": self.contradicted,
            "tests": [t.to_json() for t in self.tests],
            "arrows": [a.to_json() for a in self.arrows],
            "skipped": [{"cause": cause, "reason": reason} for cause, reason in self.skipped],
            "notes": list(self.notes),
        }
        return {**out, "unweighed": self.unweighed} if self.unweighed else out


def _finite(x: float) -> float | None:
    return x if isfinite(x) else None
