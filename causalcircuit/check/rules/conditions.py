"""Meaning 3: conditions hold in the world of the bar (CQ307, CQ308, CQ309, CQ310)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, warning
from causalcircuit.query import (
    Applied,
    Binary,
    Call,
    Column,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Input,
    Items,
    Logic,
    Negative,
    Number,
    Output,
    Probability,
    Site,
    Text,
    Wire,
    World,
    children,
    is_text,
    models_of,
    number,
    walk,
)
from causalcircuit.query.wiring import end_of, model_of_wire
from causalcircuit.rows import holds


@rule
def equality(context: Context) -> Iterator[Diagnostic]:
    """`=` on a number that is not whole is never meant; on a node, `do` may be."""
    for e in context.expressions():
        if isinstance(e, Expect | Probability) and e.condition is not None:
            yield from _meant_do(e.condition)
        if isinstance(e, Compare) and e.op in ("=", "!="):
            for side, other in ((e.left, e.right), (e.right, e.left)):
                if _continuous(context, side):
                    yield Diagnostic(
                        "CQ309",
                        f"`{shown(side)}` is a real number, and `{e.op}` compares it exactly",
                        e.span,
                        help=(f"write a range: `{shown(side)} within {_around(other)}`",),
                    )


@rule
def kinds(context: Context) -> Iterator[Diagnostic]:
    """A column of strings and a number (or the reverse) are never equal."""
    data = context.data
    guarded = {e.arguments[0] for e in context.expressions() if isinstance(e, Call) and e.function == "known"}
    for e in context.expressions():
        if isinstance(e, Compare) and all(isinstance(side, Column | Text | Number) for side in (e.left, e.right)):
            asked = [data.columns[c.name] for c in children(e) if c in guarded and isinstance(c, Column)]
            try:
                for i in range(data.n):
                    if not any(values[i] is None for values in asked):
                        holds(e, data, i)
            except DiagnosticError as problem:
                # A missing column is the business of its own rule.
                yield from (d for d in problem.diagnostics if d.code != "CQ402")


def _around(e: Expr) -> str:
    """A range about a number, as an example."""
    x = e.value if isinstance(e, Number) else 0.5
    return f"[{number(round(x - 0.1, 6))}, {number(round(x + 0.1, 6))}]"


def assigns(part: Expr) -> bool:
    """Whether a condition reads like an assignment: `A = 0` of a node."""
    return isinstance(part, Compare) and part.op == "=" and isinstance(part.left, Site | Input | Items)


def _meant_do(condition: Expr) -> Iterator[Diagnostic]:
    parts = condition.operands if isinstance(condition, Logic) else (condition,)
    for part in parts:
        if isinstance(part, Compare) and assigns(part):
            yield Diagnostic(
                "CQ310",
                f"`{shown(part.left)} = …` after a bar is a condition: rows where that happens to hold",
                part.span,
                "a condition, not an assignment",
                help=(f"to set it, write `do({shown(part.left)} = {shown(part.right)})`",),
            )


def _continuous(context: Context, e: Expr) -> bool:
    if isinstance(e, Column):
        values = context.data.columns.get(e.name, [])
        return any(isinstance(v, float) and v != int(v) for v in values)
    if isinstance(e, Binary | Negative | Call | Counterfactual) and not is_text(e):
        return any(_continuous(context, c) for c in children(e))
    return isinstance(e, Output | Applied) and not is_text(e)


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
                    help=f"to select the same rows in every world, write {_factual(e)}",
                )
            if isinstance(e, Binary) and e.op == "-":
                inside = [x for x in walk(e, worlds=False) if isinstance(x, Expect | Probability)]
                if len({(x.world, x.condition) for x in inside}) > 1 and any(_moved(context, x) for x in inside):
                    moved = next(x for x in inside if _moved(context, x))
                    yield Diagnostic(
                        "CQ308",
                        "a difference between different rows: its conditions select by what the worlds change",
                        e.span or query.span,
                        help=(f"select by a factual condition: {_factual(moved)}",),
                    )


def _factual(e: Expect | Probability) -> str:
    """The same mean with its condition in the factual world."""
    said = shown(e.value if isinstance(e, Expect) else e.event), shown(e.world), shown(e.condition or e)
    return "`E[({} | {}) | {}]`".format(*said) if isinstance(e, Expect) else "`P(({} | {}) | {})`".format(*said)


def _moved(context: Context, e: Expect | Probability) -> bool:
    """Whether the condition reads, in the world of the bar, something downstream of its assignments."""
    return e.condition is not None and not e.world.factual and _downstream(context, e.condition, e.world)


def _downstream(context: Context, e: Expr, world: World) -> bool:
    if isinstance(e, Counterfactual):
        return False
    if isinstance(e, Output | Site) and world.donor is not None:
        return True
    if isinstance(e, Output):
        return e.model in models_of(world)
    if isinstance(e, Site):
        table = context.tables[e.address.model]
        for a in world.assignments:
            if isinstance(a.target, Input) and a.target.model == e.address.model:
                return True
            if isinstance(a.target, Wire) and model_of_wire(a.target)[1] == e.address.model:
                ends = end_of(table, a.target.target)
                info = context.info(e)
                if any(i is not None and (table.depends(info, i) or info.overlaps(i)) for i in (ends.site, ends.head)):
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
