"""From a table to the estimates and verdicts of one command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.check import region_text
from causalcircuit.diagnostics import DiagnosticError, Span
from causalcircuit.inference import Inferred, decide, infer, sample_of
from causalcircuit.query import (
    Command,
    Estimate,
    Estimation,
    Expr,
    OutcomeTable,
    Query,
    Tested,
    Testing,
    World,
    draws_in,
    references,
    render,
    unit_of,
)
from causalcircuit.query.families import needs_of
from causalcircuit.query.regimes import Observing
from causalcircuit.runs.sequential import Watches, fixed_rows
from causalcircuit.runs.symbols import symbols


def answer(
    command: Command, table: OutcomeTable, names: Mapping[Expr | World, str]
) -> tuple[list[Estimate], list[Tested]]:
    """The estimates, or the verdicts, that a command asks for.

    Raises:
        DiagnosticError: the table has no answer to it (CQ7xx).
    """
    if isinstance(command, Observing):
        from causalcircuit.runs.regimes import by_regimes  # most programs have none

        plain = Estimation(command.interventions, command.data, command.options, None, command.comments, command.span)
        return by_regimes(command, table, names, lambda query, at: _estimate(query, plain, table, names, at, None)), []
    if isinstance(command, Estimation):
        groups = groups_of(command, table)
        return [
            _estimate(query, command, table, names, at, mask) for query in command.queries for at, mask in groups
        ], []
    return [], _tested(command, table, names)


def answered(
    command: Command, table: OutcomeTable, names: Mapping[Expr | World, str], watches: Watches | None
) -> tuple[list[Estimate], list[Tested]]:
    """The same, on the rows up to where a stopping rule held.

    Raises:
        DiagnosticError: the table has no answer to it (CQ7xx).
    """
    watch = None if watches is None else watches.each.get(id(command))
    if watch is None:
        return answer(command, table, names)
    command, table, stopped, found = watch.result(table)
    estimates, tested = answer(command, table, names)
    more = tuple(d.at(command.span) for d in found)
    out = []
    for number, e in enumerate(estimates):
        width = 0.0 if e.interval is None else e.interval.high - e.interval.low
        said = replace(stopped, fixed=fixed_rows(command, table, stopped, number, width))
        out.append(replace(e, stopped=said, diagnostics=(*e.diagnostics, *more)))
    return out, [replace(t, stopped=stopped, diagnostics=(*t.diagnostics, *more)) for t in tested]


@contextmanager
def located(query: Query) -> Iterator[None]:
    """Give diagnostics that know no place that of their question."""
    try:
        yield
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(query.span) for d in problem.diagnostics)) from None


def groups_of(
    command: Estimation, table: OutcomeTable
) -> list[tuple[tuple[tuple[str, str], ...], NDArray[np.bool_] | None]]:
    """The row groups of `per`, in order of their labels; one of all rows without it."""
    if command.per is None:
        return [((), None)]
    values = table.columns[command.per.name]
    labels = sorted(set(values.tolist()), key=lambda v: (isinstance(v, str), v))
    return [(((render(command.per), _label(v)),), np.asarray(values == v)) for v in labels]


def _label(value: Any) -> str:
    return f"{int(value)}" if isinstance(value, float) and value.is_integer() else str(value)


def _estimate(
    query: Query,
    command: Estimation,
    table: OutcomeTable,
    names: Mapping[Expr | World, str],
    group: tuple[tuple[str, str], ...],
    mask: NDArray[np.bool_] | None,
) -> Estimate:
    with located(query):
        found = infer(sample_of(query.expr, table, mask), command.options)
    return estimate_of(query, command, table, names, group, found)


def estimate_of(
    query: Query,
    command: Estimation,
    table: OutcomeTable,
    names: Mapping[Expr | World, str],
    group: tuple[tuple[str, str], ...],
    found: Inferred,
) -> Estimate:
    """What was inferred of a query, with all that is to be said of it."""
    text, where = symbols(query.expr, names)
    return Estimate(
        name=query.name,
        value=found.value,
        interval=found.interval,
        level=command.options.level,
        unit=unit_of(query.expr),
        n=found.n,
        clusters=found.clusters,
        regime=query.regime,
        estimand=render(query.expr),
        method=found.method,
        reason=found.reason,
        symbols=text,
        where=where,
        data=command.data.label,
        target=_target(command),
        at=(*query.at, *group),
        assumptions=_assumptions(query, command, table),
        diagnostics=tuple(d.at(query.span) for d in found.warnings),
        cost=table.cost,
        comments=command.comments,
    )


def _tested(command: Testing, table: OutcomeTable, names: Mapping[Expr | World, str]) -> list[Tested]:
    samples = []
    for claim in command.claims:
        with located(claim.query):
            samples.append(sample_of(claim.query.expr, table))
    decisions = decide(samples, command.claims, command.correction, command.alpha, command.options)
    out = []
    for claim, d in zip(command.claims, decisions, strict=True):
        text, where = symbols(claim.query.expr, names)
        out.append(
            Tested(
                name=claim.name,
                verdict=d.verdict,
                value=d.inferred.value,
                interval=d.interval,
                p=d.p,
                p_adjusted=d.p_adjusted,
                p_refute=d.p_refute,
                p_refute_adjusted=d.p_refute_adjusted,
                region=region_text(claim),
                unit=claim.unit,
                n=d.inferred.n,
                clusters=d.inferred.clusters,
                named=claim.named,
                level=d.level,
                title=claim.title,
                because=claim.because,
                reason=d.reason,
                family=command.name,
                correction=command.correction,
                alpha=command.alpha,
                estimand=render(claim.query.expr),
                symbols=text,
                where=where,
                data=command.data.label,
                target=_target(command),
                method=d.inferred.method,
                note=d.note,
                at=claim.query.at,
                assumptions=(*_assumptions(claim.query, command, table), *needs_of(command.correction)),
                diagnostics=tuple(x.at(claim.span) for x in d.inferred.warnings),
                cost=table.cost,
                comments=command.comments,
                span=place_of(claim.span, command.span),
                standing="" if command.under is None else "confirmatory",
                lock="" if command.under is None else command.under.name,
            )
        )
    return out


def place_of(claimed: Span | None, tested: Span | None) -> Span | None:
    """Where a claim stands, in the file that tests it: hypotheses may come from another."""
    apart = claimed is not None and tested is not None and claimed.source is not tested.source
    return tested if apart else claimed or tested


def _target(command: Command) -> str:
    """Whom the answer is about."""
    if command.options.population:
        return f"these rows of {command.data.label}, exactly"
    unit = "row" if command.data.cluster is None else render(command.data.cluster)
    return f"the process that {command.data.label} samples, sampling unit {unit}"


def _assumptions(query: Query, command: Command, table: OutcomeTable) -> tuple[str, ...]:
    """What the answer takes for granted."""
    out = ["the assignments are made in the model itself: the effect is identified by intervention"]
    if not command.options.population:
        unit = "rows" if command.data.cluster is None else f"clusters ({render(command.data.cluster)})"
        out.append(f"{unit} are independent draws from the process")
    for mean, data in references(query.expr, command.data):
        n = table.elsewhere.get(data, table.n)
        out.append(f"{render(mean)} is computed once over all {n} rows of {data.label} and held fixed")
    for draw in draws_in(query.expr):
        several = f"{draw.times} donors a row are" if draw.times > 1 else "one donor a row is"
        out.append(
            f"{several} drawn by {render(draw)} from the other rows of {command.data.label}, which are held fixed as "
            "donors: the interval does not count how they were sampled"
        )
    return tuple(dict.fromkeys(out))
