"""`C where abs(score) > 0.02 and selected > 0.8`: conditions on what a wire is worth."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from causalcircuit.query.circuit import Circuit, Score
from causalcircuit.query.circuits.sets import check_scored, part

Measure = Literal["score", "abs(score)", "selected"]
MEASURES: tuple[Measure, ...] = ("score", "abs(score)", "selected")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Test:
    """`score > 0.02`."""

    __test__ = False  # pytest collects classes by such names

    measure: Measure
    op: Literal["<", ">", "<=", ">="]
    bound: float

    def __str__(self) -> str:
        """As written in the language."""
        return f"{self.measure} {self.op} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Both:
    """All of these hold."""

    parts: tuple[Criterion, ...]

    def __str__(self) -> str:
        """As written in the language."""
        return " and ".join(f"({p})" if isinstance(p, Either) else str(p) for p in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """One of these holds."""

    parts: tuple[Criterion, ...]

    def __str__(self) -> str:
        """As written in the language."""
        return " or ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    part: Criterion

    def __str__(self) -> str:
        """As written in the language."""
        return f"not ({self.part})"


Criterion = Test | Both | Either | Not


def filtered(circuit: Circuit, criterion: Criterion) -> Circuit:
    """The wires (and nodes) of a circuit for which a criterion holds.

    Raises:
        DiagnosticError: CQ259, it has not the scores that the criterion speaks of.
    """
    for measure in measures(criterion):
        check_scored(circuit, "selected" if measure == "selected" else "score")
    return part(circuit, lambda e: holds(criterion, e.score), lambda n: holds(criterion, n.score))


def measures(criterion: Criterion) -> set[Measure]:
    """What a criterion looks at."""
    match criterion:
        case Test(measure=measure):
            return {measure}
        case Both(parts=parts) | Either(parts=parts):
            return {m for p in parts for m in measures(p)}
        case Not(part=inside):
            return measures(inside)


def holds(criterion: Criterion, score: Score | None) -> bool:
    """Whether a criterion holds of a score; of none, nothing holds."""
    if score is None:
        return False
    match criterion:
        case Test(measure=measure, op=op, bound=bound):
            value = score.selected if measure == "selected" else score.value
            if value is None:
                return False
            return _SIGNS[op](abs(value) if measure == "abs(score)" else value, bound)
        case Both(parts=parts):
            return all(holds(p, score) for p in parts)
        case Either(parts=parts):
            return any(holds(p, score) for p in parts)
        case Not(part=inside):
            return not holds(inside, score)
