"""Every column that a query names is in the data (CQ402)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span
from causalcircuit.query import Column, Distribution, Estimation, Position, Readout, Site


@rule
def columns(context: Context) -> Iterator[Diagnostic]:
    """Name the columns that are missing, each once."""
    wanted: dict[str, Span | None] = {}
    for e in context.expressions():
        if isinstance(e, Column):
            wanted.setdefault(e.name, e.span)
        elif isinstance(e, Site | Readout | Distribution) and e.position is not None:
            for name in _of(e.position):
                wanted.setdefault(name, e.span)
    if isinstance(context.command, Estimation) and context.command.per is not None:
        wanted.setdefault(context.command.per.name, context.command.per.span)
    for name, span in wanted.items():
        try:
            context.data.column(name, span)
        except DiagnosticError as problem:
            yield from problem.diagnostics


def _of(position: Position) -> Iterator[str]:
    for word in position.words:
        yield from (c for c in (word.column, word.within) if c is not None)
    if position.mask is not None:
        yield position.mask
    for part in position.parts:
        yield from _of(part)
