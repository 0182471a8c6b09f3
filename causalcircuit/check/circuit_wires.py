"""All wires of a circuit where they are assigned: `do(C = (C | w))`, `do(outside(C) = (outside(C) | w))`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.check import sets
from causalcircuit.check.wording import shown
from causalcircuit.query import CircuitDecl, Counterfactual, Expr, Wires, World
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering


def wires_at(low: Lowering, node: Node) -> Wires | None:
    """All wires of a circuit, or all others, where `node` is `C` or `outside(C)`."""
    node = _bare(node)
    outside = isinstance(node, Tree) and node.data == "complement"
    name = inner(tree_of(node))[0] if outside else node
    if not isinstance(name, Tree) or name.data not in ("reference", "field"):
        return None
    value = low.value(name)
    if isinstance(value, Wires) and not outside:
        return value
    if not isinstance(value, CircuitDecl):
        return None
    return Wires(value.model, value.formula, outside, span=low.span(node))


def wires_elsewhere(
    low: Lowering, target: Wires, node: Node, given: Callable[[Node], tuple[World, Expr | None]]
) -> Expr:
    """`(C | w)`, the only value that the wires of `C` take; `given` reads what stands behind a bar.

    Raises:
        DiagnosticError: CQ262, another value.
    """
    node = _bare(node)
    if isinstance(node, Tree) and node.data == "counterfactual":
        value, behind = inner(node)
        world, condition = given(behind)
        if wires_at(low, value) == target and condition is None:
            return Counterfactual(target, world, span=low.span(node))
    raise sets.no_wires(shown(target), low.span(node).text, low.span(node))


def _bare(node: Node) -> Node:
    while isinstance(node, Tree) and node.data == "group":
        node = inner(node)[0]
    return node
