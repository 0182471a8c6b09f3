"""Units of measures: what a number of an estimand counts."""

from __future__ import annotations

from causalcircuit.query.algebra import children
from causalcircuit.query.expr import (
    Binary,
    Call,
    ClassScore,
    Column,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Logic,
    Mean,
    Mentions,
    Negative,
    Number,
    Probability,
    Readout,
    Similarity,
    Site,
    Within,
)
from causalcircuit.query.summaries import Correlation, Quantile

PROBABILITY, RATIO, NONE = "probability", "ratio", ""
_READOUTS = {"logit": "logit", "logprob": "nat", "prob": PROBABILITY}
_SCALES = {"logit": "logit", "softmax": PROBABILITY, "sigmoid": PROBABILITY, "score": NONE}
WRITTEN = {"logit": "logit", "nat": "nat", "nats": "nat", "pp": PROBABILITY, "%": RATIO}
"""Units that may be written after a number, and the measure that each belongs to."""


class UnitError(ValueError):
    """Two measures of different units are added, subtracted or compared; `at` is the expression that does it."""

    def __init__(self, left: str, right: str, at: Expr) -> None:
        """Name both units."""
        super().__init__(f"{left} and {right} do not add up")
        self.left, self.right, self.at = left, right, at


def unit_of(e: Expr) -> str:
    """The unit of a scalar expression; empty for plain numbers and columns.

    Raises:
        UnitError: a sum, difference or comparison mixes units.
    """
    match e:
        case Number(unit=unit):
            return WRITTEN.get(unit, NONE) if unit else NONE
        case Readout(kind=kind):
            return _READOUTS[kind]
        case ClassScore(scale=scale):
            return _SCALES[scale]
        case Similarity():
            return "logit"
        case Call(function="kl"):
            return "nat"
        case Site() | Mean() | Call(function="norm" | "dot" | "avg" | "max", arguments=(Site() | Counterfactual(), *_)):
            return "activation"
        case Call(function="abs" | "avg" | "max" | "min", arguments=(first, *_)):
            return unit_of(first)
        case Call() | Column():
            return NONE
        case Negative(operand=inner) | Counterfactual(value=inner):
            return unit_of(inner)
        case Expect(value=inner, condition=condition):
            if condition is not None:
                _check_inside(condition)
            return unit_of(inner)
        case Quantile(value=inner):
            return unit_of(inner)
        case Correlation(value=inner, other=other):
            unit_of(inner), unit_of(other)
            return NONE
        case Probability(event=event, condition=condition):
            for part in (event, condition):
                if part is not None:
                    _check_inside(part)
            return PROBABILITY
        case Compare() | Within() | Logic() | Mentions():
            _check_inside(e)
            return PROBABILITY
        case Binary():
            return _binary(e)
        case _:
            return NONE


def _check_inside(event: Expr) -> None:
    if isinstance(event, Compare):
        _same(unit_of(event.left), unit_of(event.right), event)
    elif isinstance(event, Within):
        for end in (event.low, event.high):
            _same(unit_of(event.value), unit_of(end), event)
    else:
        for child in children(event):
            _check_inside(child)


def _same(left: str, right: str, at: Expr) -> str:
    if left == right or right in (NONE, RATIO):
        return left or right
    if left in (NONE, RATIO):
        return right
    raise UnitError(left, right, at)


def _binary(e: Binary) -> str:
    left, right = unit_of(e.left), unit_of(e.right)
    if e.op in "+-":
        return _same(left, right, e)
    if e.op == "*":
        plain = [u for u in (left, right) if u not in (NONE, RATIO)]
        return plain[0] if len(plain) == 1 else f"{left}²" if plain and left == right else "·".join(plain)
    if e.op == "/":
        if left == right:
            return RATIO
        return left if right in (NONE, RATIO) else f"{left or '1'}/{right}"
    power = e.right.value if isinstance(e.right, Number) else None
    if left in (NONE, RATIO) or power == 1:
        return left
    return f"{left}^{power:g}" if power is not None else left
