"""Meaning 3: conditions hold in the world of the bar (CQ307, CQ308, CQ309, CQ310)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, warning
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Input,
    Items,
    Logic,
    Probability,
    Readout,
    Site,
    World,
    children,
    models_of,
    render,
    walk,
)


@rule
def equality(context: Context) -> Iterator[Diagnostic]:
    """`=` on a number that is not whole is never meant; on a node, `do` may be."""
    for e in context.expressions():
        if isinstance(e, Expect | Probability) and e.condition is not None:
            yield from _meant_do(e.condition)
        if isinstance(e, Compare) and e.op in ("=", "!="):
            for side in (e.left, e.right):
                if _continuous(context, side):
                    yield Diagnostic(
                        "CQ309",
                        f"`{render(side)}` is a real number, and `{e.op}` compares it exactly",
                        e.span,
                        help=(f"write a range: `{render(side)} within [0.4, 0.6]`",),
                    )


def _meant_do(condition: Expr) -> Iterator[Diagnostic]:
    parts = condition.operands if isinstance(condition, Logic) else (condition,)
    for part in parts:
        if isinstance(part, Compare) and part.op == "=" and isinstance(part.left, Site | Input | Items):
            yield Diagnostic(
                "CQ310",
                f"`{render(part.left)} = …` after a bar is a condition: rows where that happens to hold",
                part.span,
                "a condition, not an assignment",
                help=(f"to set it, write `do({render(part.left)} = {render(part.right)})`",),
            )


def _continuous(context: Context, e: Expr) -> bool:
    if isinstance(e, Column):
        values = context.data.columns.get(e.name, [])
        return any(isinstance(v, float) and v != int(v) for v in values)
    return isinstance(e, Readout) or (isinstance(e, Counterfactual) and isinstance(e.value, Readout))


@rule
def selection(context: Context) -> Iterator[Diagnostic]:
    """A condition that an assignment can change selects other rows in each world."""
    for query in context.queries:
        for e in walk(query.expr, worlds=False):
            if isinstance(e, Expect | Probability) and _moved(context, e):
                yield warning(
                    "CQ307",
                    "this condition depends on what the world assigns: it selects rows by an effect",
                    e.condition.span if e.condition is not None else e.span,
                    "downstream of the world's `do`",
                    help="a factual condition on the same rows is written `E[(Y | w) | M > 3]`",
                )
            if isinstance(e, Binary) and e.op == "-":
                inside = [x for x in walk(e, worlds=False) if isinstance(x, Expect | Probability)]
                if len({(x.world, x.condition) for x in inside}) > 1 and any(_moved(context, x) for x in inside):
                    yield Diagnostic(
                        "CQ308",
                        "a difference between different rows: its conditions select by what the worlds change",
                        e.span or query.span,
                        help=("no effect can show as one here; write a factual condition: `E[(Y | w) | M > 3]`",),
                    )


def _moved(context: Context, e: Expect | Probability) -> bool:
    """Whether the condition reads, in the world of the bar, something downstream of its assignments."""
    return e.condition is not None and not e.world.factual and _downstream(context, e.condition, e.world)


def _downstream(context: Context, e: Expr, world: World) -> bool:
    if isinstance(e, Counterfactual):
        return False
    if isinstance(e, Readout):
        return e.model in models_of(world)
    if isinstance(e, Site):
        table = context.tables[e.address.model]
        for a in world.assignments:
            if isinstance(a.target, Input) and a.target.model == e.address.model:
                return True
            if (
                isinstance(a.target, Site)
                and a.target.address.model == e.address.model
                and (
                    table.depends(context.info(e), context.info(a.target))
                    or context.info(e).overlaps(context.info(a.target))
                )
            ):
                return True
        return False
    return any(_downstream(context, c, world) for c in children(e))
