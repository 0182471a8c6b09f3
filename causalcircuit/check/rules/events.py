"""`P`, conditions and `where` take events: comparisons, or columns of truth values (CQ314)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import (
    Column,
    Counterfactual,
    Expect,
    Expr,
    Generated,
    Input,
    Items,
    Logic,
    Probability,
    Site,
    Statistic,
    Truth,
    is_event,
)
from causalcircuit.rows import is_truth


@rule
def events(context: Context) -> Iterator[Diagnostic]:
    """Look for values where an event is needed."""
    wanted: list[Expr] = [] if context.command.data.where is None else [context.command.data.where]
    for e in context.expressions():
        if isinstance(e, Probability):
            wanted.append(e.event)
        if isinstance(e, Expect | Probability) and e.condition is not None:
            wanted.append(e.condition)
    for e in dict.fromkeys(wanted):
        yield from no_events(context, e)


def no_events(context: Context, e: Expr) -> Iterator[Diagnostic]:
    """What in a condition is a value and no event."""
    if isinstance(e, Logic):
        for operand in e.operands:
            yield from no_events(context, operand)
    elif isinstance(e, Counterfactual):
        yield from no_events(context, e.value)
    elif isinstance(e, Column):
        values = [v for v in context.all_rows.columns.get(e.name, ()) if v is not None]
        if not is_truth(values):
            yield Diagnostic(
                "CQ314",
                f"column `{e.name}` is no event: it holds {next(v for v in values if not is_truth([v]))!r}",
                e.span,
                "not true or false",
                help=(f"compare it: `{shown(e)} = …`, `{shown(e)} > …`",),
            )
    # The rules of scalars and of generation see to the rest.
    elif not (is_event(e) or isinstance(e, Truth | Site | Input | Items | Statistic | Generated)):
        yield Diagnostic(
            "CQ314",
            f"`{shown(e)}` is a value, and an event is needed",
            e.span,
            "not true or false",
            help=(f"compare it: `{shown(e)} > 0`", f"the mean of a value is written `E[{shown(e)}]`"),
        )
