"""High-level models: `graph High { Name = row.io, Answer = Name }`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.scope import Scope
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import (
    Binary,
    Column,
    Compare,
    Expr,
    Items,
    Logic,
    Mentions,
    Negative,
    Number,
    Text,
    Truth,
    Within,
    walk,
)
from causalcircuit.query.highs import variable
from causalcircuit.syntax.trees import inner

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_PARTS = (Binary, Column, Compare, Items, Logic, Mentions, Negative, Number, Text, Truth, Within)


def calculated(
    formulas: list[Tree[Token]], arrows: Mapping[tuple[str, str], Span], vertices: dict[str, Span], low: Lowering
) -> tuple[tuple[str, Expr], ...]:
    """The formulas of a graph, by variable; the variables join its vertices.

    Raises:
        DiagnosticError: CQ276, arrows beside formulas, a variable twice, or a formula of something that a row does not
            have.
    """
    for place in (*arrows.values(), *vertices.values()):
        way = "give every variable a formula, whose names are its causes, or draw arrows alone"
        raise error("CQ276", "arrows beside formulas: formulas say already what depends on what", place, help=way)
    local = Scope(parent=low.scope)
    for tree in formulas:
        name = inner(tree)[0]
        word = low.word(name)
        if word in vertices:
            raise error("CQ276", f"`{word}` has two formulas", low.span(name), help="rename one")
        vertices[word] = low.span(name)
        local.names[word] = (variable(word), low.span(name))
    inside = replace(low, scope=local)
    return tuple((low.word(inner(t)[0]), _formula(inside, t)) for t in formulas)


def _formula(low: Lowering, tree: Tree[Token]) -> Expr:
    body = inner(tree)[1]
    value = low.expr(body)
    check_calculable(value, low.span(body))
    return value


def check_calculable(value: Expr, span: Span | None) -> None:
    """A formula is calculated from the row alone.

    Raises:
        DiagnosticError: CQ276.
    """
    bad = next((e for e in walk(value) if not isinstance(e, _PARTS)), None)
    if bad is not None:
        raise error(
            "CQ276",
            f"`{shown(bad)}` is nothing that a row has: formulas are calculated without the model",
            bad.span or span,
            help="a formula is made of columns, numbers, strings, and other variables: `Carry = row.a + row.b > 9`",
        )
