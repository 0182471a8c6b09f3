"""Row values over a table: what an expression is worth on each row, in its world."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.query import (
    FACTUAL,
    VECTOR_CALLS,
    Applied,
    Binary,
    Call,
    Cell,
    Column,
    Compare,
    Counterfactual,
    Expr,
    Items,
    Logic,
    Mentions,
    Negative,
    Number,
    OutcomeTable,
    Output,
    Text,
    Truth,
    Within,
    World,
    mentioned,
    render,
)


def _exp(x: Any) -> Any:
    return np.exp(x)


def _log(x: Any) -> Any:
    return np.log(x)


def _sqrt(x: Any) -> Any:
    return np.sqrt(x)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": operator.abs,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class RowValues:
    """Evaluates row values over the chosen rows of a table.

    Args:
        table: the outcomes.
        index: places of the chosen rows in the table.
        draw: which of a row's donors is meant, where it has several.
    """

    def __init__(self, table: OutcomeTable, index: NDArray[np.intp], draw: int | None = None) -> None:
        self._table = table
        self._index = index
        self._draw = draw

    def numbers(self, e: Expr, world: World) -> Floats:
        """[m] float64, finite: `e` in `world`; events count 0 and 1.

        Raises:
            DiagnosticError: CQ712, a row where the arithmetic has no value; CQ713, a text or nothing stands there.
        """
        values = self._value(e, world)
        if values.dtype == object:
            raise self._wrong_kind(e, values)
        return values.astype(np.float64)

    def truths(self, e: Expr, world: World) -> NDArray[np.bool_]:
        """[m] bool: where the event `e` holds in `world`.

        Raises:
            DiagnosticError: as `numbers`; CQ713 also where `e` is neither true nor false, 0 nor 1.
        """
        values = self.numbers(e, world)
        off = ~np.isin(values, (0.0, 1.0))
        if off.any():
            raise error(
                "CQ713",
                f"`{render(e)}` is no event: it is {values[off][0]:g} on {self._name(off)}",
                help="an event is a comparison, or a value that is 0 or 1 on every row",
            )
        return values.astype(np.bool_)

    def _value(self, e: Expr, world: World) -> NDArray[Any]:
        """[m] float64, bool or object: `e` in `world`."""
        match e:
            case Number(value=number) | Truth(value=number):
                return np.full(len(self._index), float(number))
            case Text(value=text):
                return np.full(len(self._index), text, dtype=object)
            case Column(name=name):
                return self._column(e, name)
            case Call(function="known", arguments=(Column(name=name),)):
                return ~self._missing(name)
            case Counterfactual(value=value, world=other):
                return self._value(value, other)
            case Output() | Applied():
                return self._cell(e, world)
            case Call(function=function) if function in VECTOR_CALLS:
                return self._cell(e, world)
            case Call(function=function, arguments=(argument,)) if function in FUNCTIONS:
                return self._apply(e, FUNCTIONS[function], self.numbers(argument, world))
            case Negative(operand=operand):
                return -self.numbers(operand, world)
            case Binary(op=op, left=left, right=right):
                return self._apply(e, ARITHMETIC[op], self.numbers(left, world), self.numbers(right, world))
            case Compare(op=op, left=left, right=right):
                return self._compare(e, op, self._value(left, world), self._value(right, world))
            case Mentions(value=value, words=words):
                return self._mentions(e, self._value(value, world), words, world)
            case Within(value=value, low=low, high=high, outside=outside):
                x, least, most = (self.numbers(part, world) for part in (value, low, high))
                inside: NDArray[np.bool_] = np.logical_and(least <= x, x <= most)
                return ~inside if outside else inside
            case Logic(op="not", operands=(operand,)):
                return ~self.truths(operand, world)
            case Logic(op=op, operands=operands):
                return self._combined(op == "and", operands, world)
            case _:
                raise error(
                    "CQ713",
                    f"`{render(e)}` has no single number on a row",
                    help="`norm(A)`, `dot(A, d)`, `avg(A)` and `max(A)` turn a site into one number a row",
                )

    def _combined(self, every: bool, operands: tuple[Expr, ...], world: World) -> NDArray[np.bool_]:
        """[m] `and` or `or`: an operand is asked only of rows that those before it leave open (`known(row.x)`)."""
        holds = np.full(len(self._index), every)
        for operand in operands:
            left = np.flatnonzero(holds if every else ~holds)
            if len(left):
                holds[left] = RowValues(self._table, self._index[left], self._draw).truths(operand, world)
        return holds

    def _mentions(self, e: Expr, texts: NDArray[Any], words: Expr, world: World) -> NDArray[np.bool_]:
        """[m] where a text mentions one of the words of its row."""
        items = words.items if isinstance(words, Items) else (words,)
        columns = [self._value(item, world) for item in items]
        if any(values.dtype != object for values in (texts, *columns)):
            raise error("CQ713", f"`{render(e)}` looks for words among numbers", help="texts and words are strings")
        said = ([w for c in columns for w in (c[i] if isinstance(c[i], list) else [c[i]])] for i in range(len(texts)))
        return np.array([mentioned(text, of) for text, of in zip(texts, said, strict=True)], dtype=np.bool_)

    def _cell(self, e: Expr, world: World) -> NDArray[Any]:
        values = self._table.cells[Cell(e, world)][self._index]
        return values if values.ndim == 1 else values[:, self._draw]

    def _column(self, e: Expr, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._table.columns[name][self._index]
        missing = self._missing(name)
        if missing.any():
            raise error(
                "CQ713",
                f"`{render(e)}` is missing on {self._name(missing)}",
                help=f"leave such rows out with `known(row.{name})`, in `where` or after the bar, or fill the column",
            )
        if values.dtype == object and all(isinstance(v, int | float) for v in values):
            return values.astype(np.float64)  # numbers, and nothing elsewhere
        return values

    def _missing(self, name: str) -> NDArray[np.bool_]:
        """[m] where a column has no value."""
        values: NDArray[Any] = self._table.columns[name][self._index]
        if values.dtype == object:
            return np.array([v is None for v in values], dtype=np.bool_)
        return np.asarray(np.isnan(values.astype(np.float64)))

    def _apply(self, e: Expr, function: Callable[..., Any], *operands: Floats) -> Floats:
        with np.errstate(all="ignore"):
            values: Floats = function(*operands)
        bad = ~np.isfinite(values)
        if bad.any():
            raise error(
                "CQ712",
                f"`{render(e)}` has no value on {self._name(bad)}: {_cause(e, operands, bad)}",
                help=(
                    "leave such rows out with a condition: `E[… | condition]`",
                    "a ratio of means, `E[a] / E[b]`, needs no ratio on each row",
                ),
            )
        return values

    def _compare(self, e: Expr, op: str, left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.bool_]:
        texts = (left.dtype == object, right.dtype == object)
        if any(texts) and not (all(texts) and op in ("=", "!=")):
            raise error(
                "CQ713",
                f"`{render(e)}` compares a text with a number, or puts texts in order",
                help='texts are compared by `=` and `!=`, with a text: `row.gender = "man"`',
            )
        holds: NDArray[np.bool_] = _COMPARE[op](left, right).astype(np.bool_)
        return holds

    def _wrong_kind(self, e: Expr, values: NDArray[Any]) -> DiagnosticError:
        return error(
            "CQ713",
            f"`{render(e)}` is no number: it is {values[0]!r} on {self._name(np.arange(len(values)) == 0)}",
            help='a text enters an event: `P(row.gender = "man")`',
        )

    def _name(self, chosen: NDArray[np.bool_]) -> str:
        """`row 3`, or `rows 3, 5, 8 and 21 more`: numbers in the data file, from 0."""
        numbers = [str(r) for r in self._table.rows[self._index[chosen]][:3]]
        more = int(chosen.sum()) - len(numbers)
        if len(numbers) == 1:
            return f"row {numbers[0]}"
        return f"rows {', '.join(numbers)}" + (f" and {more} more" if more else "")


def _cause(e: Expr, operands: tuple[Floats, ...], bad: NDArray[np.bool_]) -> str:
    last = operands[-1][bad][0]
    if isinstance(e, Binary) and e.op == "/" and last == 0:
        return "division by zero"
    if isinstance(e, Call) and e.function in ("log", "sqrt"):
        return f"{e.function} of {last:g}"
    return "the result is too large, or no real number"


def row_values(e: Expr, table: OutcomeTable) -> Floats:
    """[n] a value of the factual world on every row of a table.

    Raises:
        DiagnosticError: CQ712, CQ713, as of `RowValues.numbers`.
    """
    return RowValues(table, np.arange(table.n, dtype=np.intp)).numbers(e, FACTUAL)
