"""Meaning 1: a right side that depends on a descendant of its target is cyclic (CQ303)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Counterfactual, Expr, Input, Output, Site, Statistic, World, children, render


@rule
def cycles(context: Context) -> Iterator[Diagnostic]:
    """Look for bare sites on a right side that come after the target."""
    for world, place in context.worlds():
        for a in world.assignments:
            for value in _bare(a.value):  # the first one found is enough
                if isinstance(value, Output) and isinstance(a.target, Input):
                    downstream = a.target.model in _moving(value.model, world)
                elif isinstance(value, Output):
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


def _moving(model: str, world: World) -> set[str]:
    """The models that `model` depends on in a world, itself among them, by bare values of its assignments."""
    found: set[str] = set()
    todo = {model}
    while todo:
        name = todo.pop()
        found.add(name)
        own = (a for a in world.assignments if _model(a.target) == name)
        todo |= {_model(value) for a in own for value in _bare(a.value)} - found
    return found


def _model(e: Expr) -> str:
    return e.address.model if isinstance(e, Site) else e.model if isinstance(e, Output | Input) else ""


def _bare(e: Expr) -> Iterator[Site | Output]:
    """Sites and readouts that are meant in the world itself."""
    if isinstance(e, Site | Output):
        yield e
    elif not isinstance(e, Counterfactual | Statistic):
        for child in children(e):
            yield from _bare(child)
