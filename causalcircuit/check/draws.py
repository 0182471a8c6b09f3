"""Donors: the statement `draw u …`, the calls `draw("u", …)` and `resample(A, …)`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.arguments import column, sorted_out, whole
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import (
    ROW,
    Assignment,
    Column,
    Counterfactual,
    Draw,
    Expr,
    Items,
    Number,
    Text,
    World,
    is_estimand,
    render,
    world_of,
)
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker
    from causalcircuit.check.expressions import Lowering

_STATEMENT = "draw u per row.group seed 3"
_DRAW = ('draw("u", seed = 3)', 'draw("u", seed = 3, per = row.group, outside = row.cluster, times = 10)')
_RESAMPLE = ("resample(A, seed = 3)", "resample(A, seed = 3, per = row.group)")
_OPTIONS = ("seed", "per", "outside", "times")


def draw(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`draw u per row.io outside row.names seed 3 times 10`."""
    name, *options = inner(tree)
    given: dict[str, Expr] = {}
    for node in options:
        option = tree_of(node)
        kind = str(option.data).removeprefix("draw_")
        if kind in given:
            raise error("CQ112", f"`{kind}` stands twice", low.span(option), help="keep one of them")
        (value,) = inner(option)
        given[kind] = Number(float(str(value)), span=low.span(value)) if isinstance(value, Token) else low.expr(value)
    made = make_draw(low.word(name), given, low.statement)
    checker.scope.declare(low.word(name), made, low.span(name), again=checker.redefine)
    checker.remember(made, low.word(name))


def call(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`draw("u", seed = 3)`: the draw that a statement `draw u seed 3` declares."""
    given = sorted_out(low, arguments, span, _DRAW, plain=1, names=_OPTIONS)
    name = low.expr(given.plain[0])
    if not isinstance(name, Text) or not name.value:
        raise error("CQ207", "`draw` takes a name in quotes", low.span(given.plain[0]), help=f"write `{_DRAW[0]}`")
    return make_draw(name.value, {k: low.expr(v) for k, v in given.named.items()}, span)


def resample(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`resample(A, seed = 3)`: A on a donor of its own."""
    given = sorted_out(low, arguments, span, _RESAMPLE, plain=1, names=_OPTIONS)
    return make_resample(low.expr(given.plain[0]), {k: low.expr(v) for k, v in given.named.items()}, span)


def make_draw(name: str, given: dict[str, Expr], span: Span | None) -> Draw:
    """A draw of donors.

    Raises:
        DiagnosticError: CQ354, without a seed; CQ363, options that it cannot have.
    """
    if "seed" not in given:
        way = f"write `{_STATEMENT}`" if name else f"write `{_RESAMPLE[0]}`"
        raise error("CQ354", "donors are drawn, and need a `seed`", span, help=way)
    columns: dict[str, Column | None] = {
        k: column(given[k], k, span) if k in given else None for k in ("per", "outside")
    }
    seed = whole(given["seed"], "seed", 0, span)
    count = whole(given["times"], "times", 1, span) if "times" in given else 1
    return Draw(name, seed, columns["per"], columns["outside"], count, span=span)


def make_resample(of: Expr, given: dict[str, Expr], span: Span | None) -> Counterfactual:
    """A value on a donor of its own: the donor's name is the value's text, so that equal ones have equal donors.

    Raises:
        DiagnosticError: CQ354 and CQ363, as of `draw`; CQ214, an estimand.
    """
    if is_estimand(of):
        raise error(
            "CQ214",
            f"`{shown(of)}` speaks of all rows, and a row's value is needed here",
            of.span or span,
            help="`E` and `P` stand outermost",
        )
    drawn = replace(make_draw("", given, span), name="" if isinstance(of, Items) else render(of))
    value, world = (of.value, of.world) if isinstance(of, Counterfactual) else (of, World())
    return Counterfactual(value, world_of([*world.assignments, Assignment(ROW, drawn, span=span)], span), span=span)


def named(value: Expr) -> Expr:
    """A member of a resampled set, with a donor of its own."""
    if not isinstance(value, Counterfactual) or isinstance(value.value, Items):
        return value
    drawn = value.world.donor
    if drawn is None or drawn.name:
        return value
    rest = value.world.without(ROW)
    of = value.value if rest.factual else Counterfactual(value.value, rest)
    return replace(value, world=world_of([*rest.assignments, Assignment(ROW, replace(drawn, name=render(of)))]))


def check_row(target: Expr, value: Expr, span: Span | None) -> None:
    """`row` is set to a draw, and a draw sets `row`.

    Raises:
        DiagnosticError: CQ362.
    """
    if target == ROW and not isinstance(value, Draw):
        raise error(
            "CQ362",
            f"`row` is set to a draw, and `{shown(value)}` is none",
            value.span or span,
            "no draw",
            help=f"declare donors, `{_STATEMENT}`, and write `do(row = u)`",
        )
    if target != ROW and isinstance(value, Draw):
        raise error(
            "CQ362",
            f"`{shown(value)}` is a row, and `{shown(target)}` takes a value",
            value.span or span,
            "a row, not a value",
            help=f"its value on the donor is `({shown(target)} | do(row = {shown(value)}))`",
        )
