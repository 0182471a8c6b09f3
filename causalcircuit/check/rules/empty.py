"""A mean over no rows is known before a pass where its condition is on columns only (CQ405)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.rules.events import no_events
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Column, Compare, Expr, Logic, Text, Truth, is_event, walk
from causalcircuit.query.expr import Binary, Negative, Number, Within
from causalcircuit.rows import holds

_OF_COLUMNS = (Column, Compare, Logic, Within, Binary, Negative, Number, Text, Truth)


@rule
def empty(context: Context) -> Iterator[Diagnostic]:
    """Try each condition on columns on the rows that the data statement leaves."""
    data = context.data
    for condition in dict.fromkeys(m.condition for _, m in context.moments() if m.condition is not None):
        of_columns = all(isinstance(e, _OF_COLUMNS) or is_event(e) for e in walk(condition))
        if not of_columns or any(no_events(context, condition)):
            continue
        try:
            met = any(holds(condition, data, i) for i in range(data.n))
        except DiagnosticError as problem:
            # A missing column is the business of its own rule.
            yield from (d for d in problem.diagnostics if d.code != "CQ402")
            continue
        if not met:
            yield Diagnostic(
                "CQ405",
                f"no row of `{data.ref.label}` meets `{shown(condition)}`: a mean over no rows has no value",
                condition.span,
                "selects nothing",
                help=(_values(condition, data.columns),),
            )


def _values(condition: Expr, columns: Mapping[str, list[Any]]) -> str:
    """What the first column of a condition holds, to compare with."""
    name = next((e.name for e in walk(condition) if isinstance(e, Column)), None)
    seen = sorted({str(v) for v in columns[name]}) if name is not None else []
    if not seen:
        return "widen the condition"
    return f"`row.{name}` holds: {', '.join(seen[:8])}" + (" …" if len(seen) > 8 else "")
