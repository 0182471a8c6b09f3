"""Diagrams that are made: `graph G = wiring(m, [A, B, Y])`, `diagram(C)`, `load("./g.dot")`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.sets import Tables
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import Expr, Graph, Items, ModelRef, Number, Text, Truth, is_estimand, render
from causalcircuit.query.wired import Node, Wired, models_of, node_of
from causalcircuit.syntax.trees import Node as TreeNode
from causalcircuit.syntax.trees import inner, text_of, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

MADE = {"wiring": "wiring(m, [A, B, Y])"}
"""What makes diagrams, in `graph` statements; free elsewhere."""


def made(checker: Checker, name: TreeNode, body: TreeNode, assume: str, low: Lowering) -> None:
    """`graph G = wiring(m, [A, B, Y]) assume "…"`."""
    word, span = low.word(name), low.span(body)
    called, arguments = _called(low, body)
    read = _READ.get(called)
    if read is None:
        value = None if called else low.value(body)
        what = f"`{called}` makes no diagram" if called else f"`{span.text}` is {kind_of(value)}, no diagram"
        ways = ", ".join(f"`{usage}`" for usage in MADE.values())
        near = did_you_mean(called, tuple(MADE)) if called else ""
        raise error("CQ290", what, span, help=(near, f"draw it, `graph {word} {{ X -> Y }}`, or make it: {ways}"))
    graph = read(checker, word, arguments, span, assume, low)
    checker.scope.drawn.update(value for _, value in graph.nodes)
    checker.scope.declare(word, graph, low.span(name), again=checker.redefine)
    checker.graphs[word] = graph


def _called(low: Lowering, node: TreeNode) -> tuple[str, list[TreeNode]]:
    """The plain name that a call calls, and what it is given."""
    if not isinstance(node, Tree) or node.data != "call":
        return "", []
    callee, *rest = inner(node)
    if not isinstance(callee, Tree) or callee.data != "reference":
        return "", []
    return low.word(callee.children[0]), inner(tree_of(rest[0])) if rest else []


# ---- the wiring of a model


def _wiring(checker: Checker, word: str, arguments: list[TreeNode], span: Span, assume: str, low: Lowering) -> Graph:
    given = sorted_out(low, arguments, span, (MADE["wiring"],), plain=2)
    place = low.span(given.plain[0])
    model = low.value(given.plain[0])
    if not isinstance(model, ModelRef):
        way = f"name a declared model, then the nodes: `{MADE['wiring']}`"
        raise error("CQ205", f"`{place.text}` is {kind_of(model)}, not a model", place, help=way)
    tree = given.plain[1]
    items = inner(tree) if isinstance(tree, Tree) and tree.data == "items" else [tree]
    nodes = [node for item in items for node in _listed(item, low)]
    return wiring_of(word, model.name, nodes, low.scope.sites, assume, span)


def _listed(item: TreeNode, low: Lowering) -> list[tuple[str, Expr, Span]]:
    """One or several nodes, by the names that a program gives them; members of a set by their own text."""
    value, span = low.expr(item), low.span(item)
    if isinstance(value, Items):
        return [(render(e), e, span) for e in value.items]
    named = isinstance(item, Tree) and item.data in ("reference", "field") and not isinstance(value, Number)
    return [(text_of(item, low.statement) if named else render(value), value, span)]


def wiring_of(
    name: str,
    model: str,
    nodes: Sequence[tuple[str, Expr, Span | None]],
    tables: Tables,
    assume: str = "",
    span: Span | None = None,
) -> Graph:
    """The wiring of a model between some of its nodes, as a diagram.

    Args:
        name: of the diagram. model: its declared name. nodes: the name and value of each, and its place.
        tables: the sites of models. assume: what is taken for granted beside. span: of the statement.

    Raises:
        DiagnosticError: CQ240 no nodes, CQ288 something of which the wiring does not say where it stands, or of another
            model; CQ289, two that overlap.
    """
    members: list[Node] = []
    for called, value, place in nodes:
        if is_estimand(value) or isinstance(value, Number | Text | Truth):
            raise error("CQ288", f"`{called}` is no node", place, help="list sites, readouts and inputs of the model")
        strange = sorted(models_of(value) - {model})
        if strange:
            way = f"list nodes of `{model}`, or ask for the wiring of `{strange[0]}`"
            raise error("CQ288", f"`{called}` is of `{strange[0]}`, and the wiring of `{model}`", place, help=way)
        if value not in [m.value for m in members]:
            members.append(node_of(called, value, place))
    if not members:
        raise error("CQ240", "no nodes are listed", span, help=f"list them: `{MADE['wiring']}`")
    try:
        wired = Wired(tables(model), tuple(members))
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(span) for d in problem.diagnostics)) from None
    names = [m.name for m in members]
    return Graph(
        name,
        tuple(names),
        tuple((names[i], names[j]) for i, j in sorted(wired.arrows)),
        tuple(sorted((min(names[i], names[j]), max(names[i], names[j])) for i, j in wired.spouses)),
        assume,
        span,
        nodes=tuple((m.name, m.value) for m in members),
        wiring=f"taken from `{model}`",
    )


_READ: dict[str, Callable[[Checker, str, list[TreeNode], Span, str, Lowering], Graph]] = {"wiring": _wiring}
