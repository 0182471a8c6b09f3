"""Conditions on columns, row by row, for `where`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from causalcircuit.diagnostics import error
from causalcircuit.query import (
    Binary,
    Call,
    Column,
    Compare,
    Expr,
    Items,
    Logic,
    Mentions,
    Negative,
    Number,
    Text,
    Truth,
    Within,
    mentioned,
    render,
)
from causalcircuit.rows.dataset import Dataset

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}


def holds(condition: Expr, data: Dataset, i: int) -> bool:
    """Whether a condition on columns holds for the `i`-th row.

    Raises:
        DiagnosticError: CQ402 a missing column; CQ409 values that cannot be compared.
    """
    try:
        return _truth(value(condition, data, i))
    except (TypeError, ArithmeticError) as problem:
        raise error(
            "CQ409",
            f"`{render(condition)}` has no answer in {data.place(i)}: {problem}",
            condition.span,
            where=data.place(i),
            help="compare numbers with numbers and strings with strings",
        ) from None


def value(e: Expr, data: Dataset, i: int) -> Any:
    """The value of an expression over columns for the `i`-th row."""
    match e:
        case Column(name=name):
            return data.column(name, e.span)[i]
        case Number(value=x):
            return x
        case Text(value=text):
            return text
        case Truth(value=truth):
            return truth
        case Call(function="known", arguments=(Column(name=name) as column,)):
            return data.column(name, column.span)[i] is not None
        case Negative(operand=operand):
            return -value(operand, data, i)
        case Binary(op=op, left=left, right=right):
            result = _ARITHMETIC[op](value(left, data, i), value(right, data, i))
            if isinstance(result, complex):
                raise ArithmeticError("the root of a negative number")
            return result
        case Compare(op=op, left=left, right=right):
            return _compared(op, value(left, data, i), value(right, data, i), e, data.place(i))
        case Mentions(value=inner, words=words):
            return _mentioned(value(inner, data, i), [value(w, data, i) for w in _items(words)])
        case Within(value=inner, low=low, high=high, outside=outside):
            inside = value(low, data, i) <= value(inner, data, i) <= value(high, data, i)
            return inside != outside
        case Logic(op="not", operands=(operand,)):
            return not _truth(value(operand, data, i))
        case Logic(op=op, operands=operands):
            return (all if op == "and" else any)(_truth(value(o, data, i)) for o in operands)
        case _:
            raise error(
                "CQ309",
                f"`{render(e)}` is no condition on columns",
                e.span,
                help="`where` selects rows before any model runs: it can use `row.name` columns only",
            )


def _items(words: Expr) -> tuple[Expr, ...]:
    return words.items if isinstance(words, Items) else (words,)


def _mentioned(text: Any, words: list[Any]) -> bool:
    """Whether a string mentions one of some words; a column of words may hold lists of them."""
    said = [w for word in words for w in (word if isinstance(word, list) else [word])]
    if not all(isinstance(v, str) for v in (text, *said)):
        raise TypeError("`mentions` looks for strings in a string")
    return mentioned(text, said)


def _truth(value: Any) -> bool:
    """An event; nothing is neither true nor false."""
    if value is None:
        raise TypeError("nothing stands there; `known(row.…)` leaves such rows out")
    return bool(value)


def _compared(op: str, left: Any, right: Any, e: Expr, place: str) -> bool:
    """A comparison; a string and a number are never compared by accident."""
    kinds = kind_of(left), kind_of(right)
    if kinds[0] == kinds[1] or (op in ("=", "!=") and "nothing" in kinds):
        return _COMPARE[op](left, right)
    raise error(
        "CQ409",
        f"`{render(e)}` compares {kinds[0]} with {kinds[1]} in {place}",
        e.span,
        where=place,
        help=(
            "`known(row.x) and row.x > 0` leaves out rows without a value"
            if "nothing" in kinds
            else 'compare numbers with numbers and strings with strings: `row.gender = "man"`, `row.easy = 1`'
        ),
    )


def kind_of(value: Any) -> str:
    """What a cell holds, in words; truth values count as numbers."""
    kinds = {str: "a string", int: "a number", float: "a number", bool: "a number", type(None): "nothing"}
    return kinds.get(type(value)) or (
        "a list" if isinstance(value, list) else f"a value of type {type(value).__name__}"
    )


def is_truth(values: Iterable[Any]) -> bool:
    """Whether every value is `true`, `false`, 0 or 1: such a column is an event without being declared one."""
    return all(isinstance(v, bool | int | float) and v in (0, 1) for v in values)
