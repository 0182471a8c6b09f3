"""Meaning 1: a right side that depends on a descendant of its target is cyclic (CQ303)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Counterfactual, Expr, Mean, Output, Site, children, render


@rule
def cycles(context: Context) -> Iterator[Diagnostic]:
    """Look for bare sites on a right side that come after the target."""
    for world, place in context.worlds():
        for a in world.assignments:
            for value in _bare(a.value):  # the first one found is enough
                if isinstance(value, Output):
                    downstream = not isinstance(a.target, Site) or a.target.address.model == value.model
                elif isinstance(a.target, Site) and a.target.address.model == value.address.model:
                    table = context.tables[value.address.model]
                    downstream = table.depends(context.info(value), context.info(a.target))
                else:
                    downstream = False
                if downstream:
                    where = within(value.span, a.value.span) or a.span or place
                    yield Diagnostic(
                        "CQ303",
                        f"`{shown(a.target)}` is set to a value that depends on it: `{render(value)}` comes after it",
                        where,
                        "downstream of the target",
                        help=(f"take it from another world: `({render(value)} | do())` is its factual value",),
                    )
                    break


def _bare(e: Expr) -> Iterator[Site | Output]:
    """Sites and readouts that are meant in the world itself."""
    if isinstance(e, Site | Output):
        yield e
    elif not isinstance(e, Counterfactual | Mean):
        for child in children(e):
            yield from _bare(child)
