"""Conditions on columns, row by row, for `where`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from causalcircuit.diagnostics import error
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    Expr,
    Logic,
    Negative,
    Number,
    Text,
    Truth,
    Within,
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
        return bool(value(condition, data, i))
    except (TypeError, ZeroDivisionError) as problem:
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
        case Negative(operand=operand):
            return -value(operand, data, i)
        case Binary(op=op, left=left, right=right):
            return _ARITHMETIC[op](value(left, data, i), value(right, data, i))
        case Compare(op=op, left=left, right=right):
            return _COMPARE[op](value(left, data, i), value(right, data, i))
        case Within(value=inner, low=low, high=high, outside=outside):
            inside = value(low, data, i) <= value(inner, data, i) <= value(high, data, i)
            return inside != outside
        case Logic(op="not", operands=(operand,)):
            return not value(operand, data, i)
        case Logic(op=op, operands=operands):
            return (all if op == "and" else any)(value(o, data, i) for o in operands)
        case _:
            raise error(
                "CQ309",
                f"`{render(e)}` is no condition on columns",
                e.span,
                help="`where` selects rows before any model runs: it can use `row.name` columns only",
            )
