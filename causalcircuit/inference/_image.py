"""Estimands with corners: `abs`, `max`, `min`, even powers. Interval arithmetic over simultaneous intervals.

At a corner the delta method and the bootstrap fail (a true zero of an absolute value is never covered), so each
smooth part gets its own interval, all of them hold at once by Bonferroni, and the arithmetic is carried out on
the intervals (Moore 1966, "Interval Analysis"). Both ends of a part can move the same end of the result, which
is why a one-sided error is halved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from causalcircuit.inference._arithmetic import constant, leaves, value_of
from causalcircuit.inference._estimators import Fit, Fitter, Problem
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._rows import FUNCTIONS
from causalcircuit.query import Binary, Call, Expr, Negative, Options, render

Ends = tuple[Floats, Floats]


def image_fit(problem: Problem, options: Options, fit: Fitter, among: Sequence[Expr] = ()) -> Fit:
    """The image of the intervals that `fit` gives the smooth parts, or the parts `among` those of the estimand."""
    parts = {leaf: fit(problem.about(leaf), options) for leaf in among or leaves(problem.shape.combine)}

    def bounds(a: float) -> Ends:
        each = min(a, 0.5) / (2 * len(parts))
        with np.errstate(all="ignore"):
            return _ends(problem.shape.combine, {leaf: part.bounds(each) for leaf, part in parts.items()})

    [first, *_] = parts.values()
    words = f"image of {'an interval' if len(parts) == 1 else f'{len(parts)} simultaneous intervals'} ({first.method})"
    return Fit(value_of(problem.shape.combine, problem.units.mean), bounds, words, first.df)


def _ends(e: Expr, known: Mapping[Expr, Ends]) -> Ends:
    """The smallest and largest value of `e` where each known part ranges over its interval."""
    if e in known:
        return known[e]
    number = constant(e)
    if number is not None:
        return np.asarray(number), np.asarray(number)
    match e:
        case Negative(operand=operand):
            low, high = _ends(operand, known)
            return -high, -low
        case Call(function="abs", arguments=(argument,)):
            return _folded(_ends(argument, known), 1)
        case Call(function="max" | "min" as function, arguments=arguments):
            pick = np.maximum if function == "max" else np.minimum
            ends = [_ends(a, known) for a in arguments]
            return np.asarray(pick.reduce([x[0] for x in ends])), np.asarray(pick.reduce([x[1] for x in ends]))
        case Call(function=function, arguments=(argument,)):
            low, high = _ends(argument, known)
            return np.asarray(FUNCTIONS[function](low)), np.asarray(FUNCTIONS[function](high))
        case Binary(op=op, left=left, right=right):
            power = constant(right)
            if (op == "*" and left == right) or (op == "^" and power is not None and power % 2 == 0):
                low, high = _folded(_ends(left, known), 2 if op == "*" or power is None else abs(power))
                return (low, high) if op == "*" or (power or 0) >= 0 else (1 / high, 1 / low)
            return _binary(op, _ends(left, known), _ends(right, known))
        case _:
            raise TypeError(f"no arithmetic over intervals: {render(e)}")


def _folded(ends: Ends, power: float) -> Ends:
    """The range of |x|^power."""
    low, high = ends
    nearest = np.maximum(np.maximum(low, -high), 0)
    return nearest**power, np.maximum(np.abs(low), np.abs(high)) ** power


def _binary(op: str, a: Ends, b: Ends) -> Ends:
    if op == "+":
        return a[0] + b[0], a[1] + b[1]
    if op == "-":
        return a[0] - b[1], a[1] - b[0]
    if op == "^":  # an odd or a broken power: monotone
        low, high = a[0] ** b[0], a[1] ** b[0]
        return np.minimum(low, high), np.maximum(low, high)
    if op == "/":
        holds = (b[0] <= 0) & (b[1] >= 0)
        b = np.where(holds, -np.inf, 1 / b[1]), np.where(holds, np.inf, 1 / b[0])
    corners = np.nan_to_num([x * y for x in a for y in b], nan=0.0, posinf=np.inf, neginf=-np.inf)
    return np.asarray(np.min(corners, axis=0)), np.asarray(np.max(corners, axis=0))
