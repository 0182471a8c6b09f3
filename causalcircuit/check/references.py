"""References: `mean`, `direction`, `pc1`; the same for text and for Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalcircuit.check.arguments import Given, data, sorted_out, wrong
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Component,
    Counterfactual,
    DataRef,
    Direction,
    Expr,
    Items,
    Mean,
    Site,
    World,
    is_estimand,
)
from causalcircuit.syntax.trees import Node, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_MEAN = ("mean(A)", "mean(A, pooled)", "mean(A, on = d)")
_DIRECTION = ("direction(A, w1, w0)", "direction(A, w1, w0, pooled)", "direction(A, w1, w0, on = d)")
_COMPONENT = ("pc1(A)", "pc1(A, pooled)", "pc1(A, on = d)")


def mean(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`mean(A)`, `mean(A, pooled)`, `mean(A, on = d)`."""
    for argument in arguments[1:]:
        tree = tree_of(argument)
        if tree.data == "reference" and low.word(tree.children[0]) == "random":
            raise error(
                "CQ105",
                "`random` of a `mean` is not available in this version: a reference is held fixed",
                low.span(argument),
                help="leave `random` out; the interval then says nothing of how the reference itself was sampled",
            )
    given = _given(low, arguments, span, _MEAN, 1)
    of = low.expr(given.plain[0])
    return Mean(_site(of, "mean", span), *_how(low, given, "mean"), span=span)


def direction(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`direction(A, w1, w0)`: `pooled` and `on` as of a mean."""
    given = _given(low, arguments, span, _DIRECTION, 3)
    of, to, base = low.expr(given.plain[0]), low.world(given.plain[1]), low.world(given.plain[2])
    return make_direction(of, to, base, *_how(low, given, "direction"), span)


def component(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`pc1(A)`: `pooled` and `on` as of a mean."""
    given = _given(low, arguments, span, _COMPONENT, 1)
    return make_component(low.expr(given.plain[0]), *_how(low, given, "pc1"), span)


def make_direction(of: Expr, to: World, base: World, pooled: bool, on: DataRef | None, span: Span | None) -> Direction:
    """The direction of a site between two worlds.

    Raises:
        DiagnosticError: CQ212, it is no site; CQ366, the worlds are one.
    """
    if isinstance(of, Counterfactual):
        raise error(
            "CQ212",
            f"`direction` names its two worlds itself, and `{shown(of)}` names one more",
            of.span or span,
            help=f"write `direction({shown(of.value)}, w1, w0)`",
        )
    site = _site(of, "direction", span)
    if to == base:
        raise error(
            "CQ366",
            "a direction between a world and itself is 0",
            span,
            "the same world twice",
            help="name two worlds: `direction(A, w1, w0)` is the mean of A in w1 less that in w0",
        )
    to_there, from_there = Counterfactual(site, to, span=span), Counterfactual(site, base, span=span)
    return Direction(to_there, pooled, on, than=from_there, span=span)


def make_component(of: Expr, pooled: bool, on: DataRef | None, span: Span | None) -> Component:
    """The first principal component of a site.

    Raises:
        DiagnosticError: CQ212, it is no site.
    """
    return Component(_site(of, "pc1", span), pooled, on, span=span)


def _given(low: Lowering, arguments: list[Node], span: Span, usage: tuple[str, ...], plain: int) -> Given:
    if arguments and tree_of(arguments[0]).data == "named":
        raise wrong(usage, span)
    return sorted_out(low, arguments, span, usage, plain=plain, names=("on",), words=("pooled",))


def _how(low: Lowering, given: Given, name: str) -> tuple[bool, DataRef | None]:
    """Whether a reference is pooled, and the data that it names."""
    return "pooled" in given.words, data(low, given.named["on"], name) if "on" in given.named else None


def _site(of: Expr, name: str, span: Span | None) -> Expr:
    core = of.value if isinstance(of, Counterfactual) else of
    if is_estimand(of) or not isinstance(core, Site | Items):
        raise _no_site(of, name, span)
    return of


def _no_site(of: Expr, name: str, span: Span | None) -> DiagnosticError:
    kinds = {"mean": "a site's mean over the data", "pc1": "a site's first component over the data"}
    what = kinds.get(name, "a difference of a site's means")
    help_text = "the mean of a readout over rows is an estimand: `E[Y]`" if name == "mean" else "name a site"
    return error("CQ212", f"`{name}` is a reference to {what}, and `{shown(of)}` is no site", span, help=help_text)
