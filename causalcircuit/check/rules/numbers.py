"""Columns in arithmetic hold numbers on the rows that are asked (CQ469): known before any pass."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import (
    VECTOR_CALLS,
    Binary,
    Call,
    Column,
    Counterfactual,
    Expr,
    Logic,
    Negative,
    Number,
    Within,
    children,
    is_event,
    walk,
)
from causalcircuit.query.expr import Text, Truth
from causalcircuit.rows import holds, kind_of

_OF_COLUMNS = (Column, Number, Text, Truth, Binary, Negative)


@rule
def numbers(context: Context) -> Iterator[Diagnostic]:
    """Look at each column that a mean, a probability or a condition computes with."""
    for _, moment in context.moments():
        asked = [(moment.value, moment.event, _chosen(context, moment.condition))]
        if moment.condition is not None:
            asked.append((moment.condition, True, list(range(context.data.n))))
        for part, event, rows in asked:
            guarded = {e.arguments[0] for e in walk(part) if isinstance(e, Call) and e.function == "known"}
            for column, event_ in dict.fromkeys(_computed(part, event)):
                if column not in guarded:
                    yield from _look(context, column, event_, rows)


def _chosen(context: Context, condition: Expr | None) -> list[int]:
    """The rows that a condition on columns keeps; none are known where it asks a model."""
    rows = range(context.data.n)
    if condition is None:
        return list(rows)
    if not all(isinstance(e, _OF_COLUMNS) or is_event(e) for e in walk(condition)):
        return []
    try:
        return [i for i in rows if holds(condition, context.data, i)]
    except DiagnosticError:
        return []  # the business of other rules


def _computed(e: Expr, event: bool) -> Iterator[tuple[Column, bool]]:
    """The columns that stand where a number is needed, or an event; of a comparison's sides there is another rule."""
    match e:
        case Column():
            yield e, event
        case Logic() | Counterfactual():
            for child in children(e):
                yield from _computed(child, event)
        case Binary() | Negative() | Within():
            for child in children(e):
                yield from _computed(child, False)
        case Call(function=function) if function not in VECTOR_CALLS and function != "known":
            for child in children(e):
                yield from _computed(child, False)
        case _ if is_event(e):
            for child in children(e):
                if not isinstance(child, Column):
                    yield from _computed(child, False)


def _look(context: Context, column: Column, event: bool, rows: list[int]) -> Iterator[Diagnostic]:
    """A row where the column has no number; a text where an event is needed is the business of `events`."""
    values = context.data.columns.get(column.name)
    if values is None:  # a missing column is the business of its own rule
        return
    wrong = next((i for i in rows if (values[i] is None if event else kind_of(values[i]) != "a number")), None)
    if wrong is None:
        return
    value, said = values[wrong], shown(column)
    held = "nothing" if value is None else repr(value)[:40]
    way = f'the share of rows with a value is `P({said} = "{value}")`' if isinstance(value, str) else ""
    if value is None:
        way = f"leave such rows out: `where known({said})`, or `E[… | known({said})]`"
    yield Diagnostic(
        "CQ469",
        f"`{said}` is no number: it holds {held} in {context.data.place(wrong)}",
        column.span,
        "no number",
        help=(way or "write numbers, or an event about the column",),
    )
