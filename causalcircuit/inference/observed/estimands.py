"""Estimands of several means: their arithmetic, and where it has no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from causalcircuit.inference._arithmetic import guards, linear, value_of
from causalcircuit.inference._rows import RowValues, row_values
from causalcircuit.inference.observed._means import Means, settled
from causalcircuit.inference.observed._result import Asked, Observed, blank
from causalcircuit.inference.observed._table import Column, Data, Floats
from causalcircuit.inference.observed.formula import Payoff
from causalcircuit.inference.observed.regimes import Part, Question
from causalcircuit.query import FACTUAL, Expr, Number, OutcomeTable, Text, render
from causalcircuit.query.regimes import Wanted


def part_of(combine: Expr, wanted: Sequence[Wanted], places: tuple[tuple[int, int], ...], data: Data) -> Part:
    """An estimand that is cut into means, with its outcomes calculated on the rows.

    Raises:
        DiagnosticError: CQ712, CQ713, an outcome without a value on a row, or with one that is no number.
    """
    questions = tuple(_question(w, data) for w in wanted)
    return Part(questions, places, lambda means: value_of(combine, means), linear(combine, len(places)))


def answered(combine: Expr, means: Means, data: Data, asked: Asked, exact: bool = False) -> Observed:
    """The estimate of arithmetic over means; undefined where a divisor cannot be told from 0.

    Args:
        combine: the arithmetic. means: its terms. exact: the rows are all there is, so that there is no interval.
    """
    if exact:
        value = float(value_of(combine, means.value))
        found = blank(data, asked, means.method, means.assumptions)
        found = replace(found, warnings=means.warnings, diagnostics=means.figures)
        sound = np.isfinite(value)
        return replace(found, value=value if sound else None, reason="" if sound else "undefined: a division by 0")
    for inside, kind in guards(combine):
        plain = replace(asked, resamples=None, seed=None)
        held = settled(means, _arithmetic(inside), data, plain)
        end = held.interval
        if held.value is None or end is None or end.low <= 0 <= end.high or (kind != "denominator" and end.high < 0):
            result = blank(data, asked, means.method, means.assumptions)
            shown = "no interval" if end is None else f"the interval [{end.low:.3g}, {end.high:.3g}]"
            return replace(result, reason=f"undefined: the {kind} has {shown}, which does not keep clear of 0")
    return settled(means, _arithmetic(combine), data, asked)


def _arithmetic(e: Expr) -> Callable[[Floats], Floats]:
    return lambda means: value_of(e, means)


def _question(wanted: Wanted, data: Data) -> Question:
    payoff = _payoff(wanted, data)
    columns = {name: _shown(data[name], data[name].values) for name in wanted.of}
    table = OutcomeTable(data.row - 1, {}, columns=columns)
    values = _numbers(wanted, table)
    names = (*wanted.do, *wanted.given)
    settings: tuple[Mapping[str, object], ...] = tuple(
        dict(zip(names, (_value(v) for v in setting), strict=True)) for setting in wanted.settings
    )
    lone = wanted.of[0] if len(wanted.of) == 1 and render(wanted.value) == f"row.{wanted.of[0]}" else ""
    name = lone or render(wanted.value)
    return Question(wanted.of, wanted.do, wanted.given, Column(name, values), payoff, settings)


def _payoff(wanted: Wanted, data: Data) -> Payoff:
    def payoff(levels: Mapping[str, Floats]) -> Floats:
        shape = np.broadcast_shapes(*(v.shape for v in levels.values()))
        flat = {name: np.broadcast_to(v, shape).ravel() for name, v in levels.items()}
        size = len(next(iter(flat.values())))
        columns = {name: _shown(data[name], v) for name, v in flat.items()}
        return _numbers(wanted, OutcomeTable(np.arange(size), {}, columns=columns)).reshape(shape)

    return payoff


def _numbers(wanted: Wanted, table: OutcomeTable) -> Floats:
    if wanted.event:
        index = np.arange(table.n, dtype=np.intp)
        return RowValues(table, index).truths(wanted.value, FACTUAL).astype(np.float64)
    return row_values(wanted.value, table)


def _shown(column: Column, values: Floats) -> Floats:
    """Values as the rows have them: the texts of a column of labels."""
    if column.labels is None:
        return values
    out = np.empty(len(values), dtype=object)
    out[:] = [column.labels[int(v)] for v in values]
    return out


def _value(e: Expr) -> object:
    return e.value if isinstance(e, Number | Text) else None
