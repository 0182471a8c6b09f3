"""Estimands that are functions: `quantile(Y, 0.9)`, `correlation(A, B)`, `area([f(0), f(1)], at = [0, 1])`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import Binary, Expr, Negative, Number, is_estimand, is_event
from causalcircuit.query.summaries import Correlation, Quantile
from causalcircuit.query.summaries import correlation as make_correlation
from causalcircuit.query.summaries import quantile as make_quantile
from causalcircuit.syntax.trees import Node, inner

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_QUANTILE = ("quantile(Y, 0.9)", "quantile((Y | w), 0.5)")
_CORRELATION = ("correlation(A, B)",)
_AREA = ("area([f(0), f(1), f(2)])", "area([f(0), f(1), f(4)], at = [0, 1, 4])")


def quantile(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`quantile((Y | w), 0.9)`."""
    given = sorted_out(low, arguments, span, _QUANTILE, plain=2)
    return replace(quantile_of(low.expr(given.plain[0]), low.expr(given.plain[1]), span), span=span)


def correlation(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`correlation((A | w), B)`."""
    given = sorted_out(low, arguments, span, _CORRELATION, plain=2)
    return replace(correlation_of(low.expr(given.plain[0]), low.expr(given.plain[1]), span), span=span)


def area(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`area([f(0), f(1)], at = [0, 1])`: the lists are read as they stand, equal members too."""
    given = sorted_out(low, arguments, span, _AREA, plain=1, names=("at",))
    at = given.named.get("at")
    heights = _listed(low, given.plain[0], span)
    return replace(area_of(heights, None if at is None else _listed(low, at, span), span), span=span)


def _listed(low: Lowering, node: Node, span: Span) -> list[Expr]:
    if not (isinstance(node, Tree) and node.data == "items"):
        raise error(
            "CQ920", f"`area` takes lists, and `{low.span(node).text}` is none", span, help=f"write `{_AREA[1]}`"
        )
    return [low.expr(child) for child in inner(node)]


def quantile_of(value: Expr, share: Expr, span: Span | None) -> Quantile:
    """The quantile of a row value.

    Raises:
        DiagnosticError: CQ920, the share is no number between 0 and 1, or the value is an event; CQ214, an estimand.
    """
    plain = isinstance(share, Number) and share.unit in (None, "%")
    number = share.value if plain and isinstance(share, Number) else float("nan")
    if not 0 < number < 1:
        way = f"write `quantile({shown(value)}, 0.9)`, or `90%`"
        message = f"the share of a quantile lies between 0 and 1, and `{shown(share)}` does not"
        raise error("CQ920", message, share.span or span, help=way)
    _row_value(value, span, "quantile")
    return make_quantile(value, number)


def correlation_of(value: Expr, other: Expr, span: Span | None) -> Correlation:
    """The correlation of two row values.

    Raises:
        DiagnosticError: CQ214, one of them is an estimand.
    """
    for side in (value, other):
        _row_value(side, span, "correlation")
    return make_correlation(value, other)


def _row_value(value: Expr, span: Span | None, name: str) -> None:
    if is_estimand(value):
        raise error(
            "CQ214",
            f"`{shown(value)}` speaks of all rows, and `{name}` takes a value of each row",
            value.span or span,
            help=f"leave `E[…]` out; in another world it is written `{name}((Y | w), …)`",
        )
    if name == "quantile" and is_event(value):
        way = f"ask for its share: `P({shown(value)})`"
        raise error("CQ920", f"`{shown(value)}` is true or false and has no quantiles", value.span or span, help=way)


def area_of(heights: Sequence[Expr], at: Sequence[Expr] | None, span: Span | None) -> Expr:
    """The area under the straight lines through estimands that are `at` rising numbers, by default 0, 1, 2 and so on.

    It is a sum with the weights of the trapezoidal rule, so its interval is that of any linear estimand.

    Raises:
        DiagnosticError: CQ920, the lists do not make a curve; CQ214, a member is no estimand.
    """
    for height in heights:
        if not is_estimand(height):
            way = f"write `E[{shown(height)}]` for its mean"
            raise error("CQ214", f"`{shown(height)}` has a value on each row", height.span or span, help=way)
    places = list(range(len(heights))) if at is None else [_number(e, span) for e in at]
    if len(heights) < 2:
        raise _no_curve("an area needs two points at least", span)
    if len(places) != len(heights):
        raise _no_curve(f"`at` has {len(places)} numbers for {len(heights)} points", span)
    steps = [right - left for left, right in pairwise(places)]
    if min(steps) <= 0:
        raise _no_curve("the numbers of `at` rise", span)
    weights = [(a + b) / 2 for a, b in zip([0.0, *steps], [*steps, 0.0], strict=True)]
    parts: list[Expr] = [Binary("*", Number(w), e) for w, e in zip(weights, heights, strict=True)]
    return reduce(lambda a, b: Binary("+", a, b), parts)


def _number(e: Expr, span: Span | None) -> float:
    if isinstance(e, Negative):
        return -_number(e.operand, span)
    if not isinstance(e, Number) or e.unit is not None:
        raise _no_curve(f"`at` holds numbers, and `{shown(e)}` is none", e.span or span)
    return e.value


def _no_curve(why: str, span: Span | None) -> DiagnosticError:
    return error("CQ920", f"this is no curve: {why}", span, help=f"write `{_AREA[1]}`")
