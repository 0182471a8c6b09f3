"""Diagrams that are made: `graph G = wiring(m, [A, B, Y])`, `diagram(C)`, `load("./g.dot")`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.causal import Diagram
from causalcircuit.causal.files import check_suffix, read, text_of
from causalcircuit.check.arguments import sorted_out
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.graphs import bind
from causalcircuit.check.holding import held
from causalcircuit.check.routed import READOUT, routed
from causalcircuit.check.scope import Poisoned
from causalcircuit.check.sets import Tables
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import DiagnosticError, Source, Span, did_you_mean, error
from causalcircuit.query import (
    CircuitDecl,
    Expr,
    Graph,
    GraphSaving,
    Items,
    ModelRef,
    Number,
    Text,
    Truth,
    is_estimand,
    render,
)
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.wired import Node, Wired, models_of, node_of
from causalcircuit.syntax import parse_expression
from causalcircuit.syntax.trees import Node as TreeNode
from causalcircuit.syntax.trees import inner, tree_of
from causalcircuit.syntax.trees import text_of as written

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

MADE = {"wiring": "wiring(m, [A, B, Y])", "diagram": "diagram(C)", "load": 'load("./g.dot")'}
"""What makes diagrams, in `graph` statements; free elsewhere."""
Listed = tuple[str, Expr, Span | None]
"""A variable in a list: what it is called, what stands for it, and where."""


def made(checker: Checker, name: TreeNode, body: TreeNode, assume: str, low: Lowering) -> None:
    """`graph G = wiring(m, [A, B, Y]) assume "…"`."""
    word, span = low.word(name), low.span(body)
    called, arguments = _called(low, body)
    read = _READ.get(called)
    if read is None:
        what = f"`{called}` makes no diagram" if called else f"`{span.text}` is {kind_of(low.value(body))}, no diagram"
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
    nodes = [node for item in items for node in listed(item, low)]
    return wiring_of(word, model.name, nodes, low.scope.sites, assume, span)


def listed(item: TreeNode, low: Lowering) -> list[Listed]:
    """One or several nodes, by the names that a program gives them; members of a set by their own text."""
    value, span = low.expr(item), low.span(item)
    if isinstance(value, Items):
        return [(render(e), e, span) for e in value.items]
    named = isinstance(item, Tree) and item.data in ("reference", "field") and not isinstance(value, Number)
    return [(written(item, low.statement) if named else render(value), value, span)]


def wiring_of(
    name: str,
    model: str,
    nodes: Sequence[Listed],
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


# ---- the routes of a circuit


def _diagram(checker: Checker, word: str, arguments: list[TreeNode], span: Span, assume: str, low: Lowering) -> Graph:
    given = sorted_out(low, arguments[:1], span, (MADE["diagram"], "diagram(C, Y)"), plain=1)
    place = low.span(given.plain[0])
    circuit = low.value(given.plain[0])
    if not isinstance(circuit, CircuitDecl) or len(arguments) > 2:
        way = f"name a declared circuit: `{MADE['diagram']}`; behind it what its wires end in, `diagram(C, Y)`"
        what = f"`{place.text}` is {kind_of(circuit)}, not a circuit" if len(arguments) < 3 else "too many arguments"
        raise error("CQ205", what, place, help=way)
    if not isinstance(circuit.formula, Known):
        ways = (
            f'`save {place.text} to "./c.json"`, and read it in another program: `circuit K = load("./c.json")`',
            f"what it may be is known: `{MADE['wiring']}`",
        )
        said = f"which wires `{place.text}` has shows in a run, and a diagram is known before"
        raise error("CQ294", said, place, "attributed", help=ways)
    known = circuit.formula.circuit
    readout: Expr = low.expr(arguments[1]) if len(arguments) > 1 else READOUT
    if models_of(readout) - {known.model} or is_estimand(readout):
        way = f"name a readout of `{known.model}`"
        raise error(
            "CQ288", f"`{low.span(arguments[1]).text}` is no end of this circuit", low.span(arguments[1]), help=way
        )
    if readout is READOUT and any(e.target is None for e in known.edges) and READOUT.name not in checker.scope.names:
        checker.scope.declare(READOUT.name, READOUT, span)
    return routed(word, known, readout, low.scope.sites, checker.names, assume, span)


# ---- diagrams in files


def _load(checker: Checker, word: str, arguments: list[TreeNode], span: Span, assume: str, low: Lowering) -> Graph:
    given = sorted_out(low, arguments, span, (MADE["load"],), plain=1)
    path = low.expr(given.plain[0])
    if not isinstance(path, Text):
        raise error("CQ207", "`load` takes a path, in quotes", low.span(given.plain[0]), help=f"write `{MADE['load']}`")
    diagram = read(checker.resolve(path.value), path.span)
    places = dict.fromkeys(diagram.vertices, path.span or span)
    spelt = {v: value for v in diagram.vertices if (value := _spelt(v, low)) is not None}
    bound = dict(
        bind(checker, {v: s for v, s in places.items() if v not in spelt}, dict.fromkeys(diagram.latents, span))
    )
    graph = Graph(
        word,
        diagram.vertices,
        diagram.directed,
        diagram.bidirected,
        assume,
        span,
        nodes=tuple((v, spelt.get(v) or bound[v]) for v in diagram.vertices),
        latents=tuple(sorted(diagram.latents)),
        selections=diagram.selections,
        realized=tuple((v, checker.scope.realized[v]) for v in diagram.vertices if v in checker.scope.realized),
    )
    checked, denied = held(graph, low.scope.sites)
    checker.found.extend(denied)
    return checked


def _spelt(name: str, low: Lowering) -> Expr | None:
    """The node that a vertex is called by: `gpt2.layer[0].mlp.out @ last`; `None` where its name is a plain word."""
    if name.isidentifier():
        return None
    source = Source("<vertex>", name)
    try:
        value = Lowering(Span(source, 0, len(name)), low.scope).expr(parse_expression(source))
    except (DiagnosticError, Poisoned):
        return None
    return value if render(value) == name and not is_estimand(value) else None


def saved(checker: Checker, graph: Graph, path: Path, what: Span, where: Span) -> None:
    """`save G to "./g.dot"`.

    Raises:
        DiagnosticError: CQ205 it has formulas, CQ293 a suffix that diagrams are not written by.
    """
    if graph.formulas:
        way = "formulas stay in the program: draw its arrows to save those"
        raise error("CQ205", f"`{graph.name}` has formulas, and is no diagram of arrows", what, help=way)
    check_suffix(path, where)
    if checker.asks:
        diagram = Diagram(graph.vertices, graph.directed, graph.bidirected, frozenset(graph.latents), graph.selections)
        checker.drawings.append(GraphSaving(graph.name, text_of(diagram, path.suffix), path, where))


_READ: dict[str, Callable[[Checker, str, list[TreeNode], Span, str, Lowering], Graph]] = {
    "wiring": _wiring,
    "diagram": _diagram,
    "load": _load,
}
