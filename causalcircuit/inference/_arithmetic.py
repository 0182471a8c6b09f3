"""The arithmetic over terms: its value, its shape, and where it is not smooth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Literal

from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._rows import ARITHMETIC, FUNCTIONS
from causalcircuit.query import Binary, Call, Expr, Negative, Number, Term, children, render, walk

_FLAT = 1e-12
"""A variance below this share of its mean square is what float64 leaves of a constant."""

_CORNERED = frozenset({"abs", "max", "min"})


def value_of(e: Expr, means: Floats) -> Floats:
    """[...] the value of `e` at `means` [..., k]; NaN or infinite where it has none."""
    with np.errstate(all="ignore"):
        return np.asarray(_value(e, means), dtype=np.float64)


def _value(e: Expr, means: Floats) -> Floats:
    match e:
        case Term(index=index):
            return np.asarray(means[..., index])
        case Number(value=value):
            return np.asarray(value)
        case Negative(operand=operand):
            return -_value(operand, means)
        case Binary(op=op, left=left, right=right):
            return np.asarray(ARITHMETIC[op](_value(left, means), _value(right, means)))
        case Call(function="quantile", arguments=(argument, _)):
            return _value(argument, means)  # a column that was made to have it as its mean
        case Call(function="correlation", arguments=arguments):
            return _correlation(*(_value(a, means) for a in arguments))
        case Call(function="atanh", arguments=(argument,)):
            return np.asarray(np.arctanh(_value(argument, means)))
        case Call(function="max" | "min" as function, arguments=arguments):
            pick = np.maximum if function == "max" else np.minimum
            return reduce(pick, (_value(a, means) for a in arguments))
        case Call(function=function, arguments=(argument,)) if function in FUNCTIONS:
            return np.asarray(FUNCTIONS[function](_value(argument, means)))
        case _:
            raise TypeError(f"no arithmetic over means: {render(e)}")


def _correlation(a: Floats, b: Floats, aa: Floats, bb: Floats, ab: Floats) -> Floats:
    """From the means of both sides, of their squares and of their product; NaN where a side does not vary."""
    spread = [np.where(square - x**2 > _FLAT * square, square - x**2, 0.0) for x, square in ((a, aa), (b, bb))]
    below = spread[0] * spread[1]
    return np.asarray(np.where(below > 0, np.clip((ab - a * b) / np.sqrt(below), -1.0, 1.0), np.nan))


def terms_in(e: Expr) -> list[int]:
    """The numbers of the terms in `e`, in order."""
    return sorted({x.index for x in walk(e) if isinstance(x, Term)})


def constant(e: Expr) -> float | None:
    """The value of an expression without terms, `None` with them."""
    return None if terms_in(e) else float(value_of(e, np.empty(0)))


def linear(e: Expr, k: int) -> Floats | None:
    """[k + 1] the coefficients of a linear expression, its constant last; `None` where it is none."""
    parts = fraction(e, k)
    if parts is None or parts[1][:-1].any() or parts[1][-1] == 0:
        return None
    return np.asarray(parts[0] / parts[1][-1])


def fraction(e: Expr, k: int) -> tuple[Floats, Floats] | None:
    """`e` as a ratio of two linear expressions, [k + 1] coefficients each; `None` where it is none."""
    number = constant(e)
    if number is not None:
        return _unit(k, k) * number, _unit(k, k)
    match e:
        case Term(index=index):
            return _unit(index, k), _unit(k, k)
        case Negative(operand=operand):
            parts = fraction(operand, k)
            return parts and (-parts[0], parts[1])
        case Binary(op=op, left=left, right=right):
            a, b = fraction(left, k), fraction(right, k)
            if a is None or b is None:
                return None
            if op in "+-":
                return _sum(a, b if op == "+" else (-b[0], b[1]))
            if op in "*/":
                return _product(a, b if op == "*" else (b[1], b[0]))
            power = constant(right)
            return a if power == 1 else (a[1], a[0]) if power == -1 else None
        case _:
            return None


def _unit(i: int, k: int) -> Floats:
    out = np.zeros(k + 1)
    out[i] = 1.0
    return out


def _times(a: Floats, b: Floats) -> Floats | None:
    """The product of two linear expressions, where one is constant."""
    if not a[:-1].any():
        return np.asarray(a[-1] * b)
    return None if b[:-1].any() else np.asarray(b[-1] * a)


def _sum(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats] | None:
    if np.array_equal(a[1], b[1]):
        return a[0] + b[0], a[1]
    left, right, below = _times(a[0], b[1]), _times(b[0], a[1]), _times(a[1], b[1])
    return None if left is None or right is None or below is None else (left + right, below)


def _product(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats] | None:
    above, below = _times(a[0], b[0]), _times(a[1], b[1])
    return None if above is None or below is None else (above, below)


def is_corner(e: Expr) -> bool:
    """Whether `e` itself has a corner or a turning point in its terms: `abs`, `max`, `min`, an even power."""
    if isinstance(e, Call) and e.function in _CORNERED:
        return bool(terms_in(e))
    if isinstance(e, Binary) and terms_in(e):
        power = constant(e.right)
        return (e.op == "^" and power is not None and power % 2 == 0) or (e.op == "*" and e.left == e.right)
    return False


def corner_in(e: Expr) -> Expr | None:
    """The first part of `e` that is no smooth function of its terms."""
    return next((x for x in walk(e) if is_corner(x)), None)


def leaves(e: Expr) -> list[Expr]:
    """The largest smooth parts of `e` that hold terms, each once."""
    if not terms_in(e):
        return []
    if corner_in(e) is None:
        return [e]
    return list(dict.fromkeys(leaf for child in children(e) for leaf in leaves(child)))


def guards(e: Expr) -> Iterator[tuple[Expr, Literal["denominator", "logarithm", "root"]]]:
    """The parts of `e` that must stay clear of 0 (a denominator) or above it: where they do not, `e` has no value."""
    for x in walk(e):
        match x:
            case Binary(op="/", right=below) if terms_in(below):
                yield below, "denominator"
            case Binary(op="^", left=base, right=power) if terms_in(base) and not _whole(power):
                yield base, "root"
            case Binary(op="^", left=base, right=power) if terms_in(base) and (constant(power) or 0) < 0:
                yield base, "denominator"
            case Call(function="log" | "sqrt" as function, arguments=(inside,)) if terms_in(inside):
                yield inside, "logarithm" if function == "log" else "root"
            case _:
                pass


def _whole(power: Expr) -> bool:
    value = constant(power)
    return value is not None and value == int(value)
