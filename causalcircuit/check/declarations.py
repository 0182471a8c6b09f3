"""Statements that declare: node, let, graph, use."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.foreign import functions
from causalcircuit.check.highs import calculated
from causalcircuit.check.measure import unit
from causalcircuit.check.values import Function, Module, Value
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import (
    Expr,
    Graph,
    World,
    is_estimand,
    is_event,
)
from causalcircuit.query.highs import variables_in
from causalcircuit.syntax.trees import Node, inner, operators, tree_of, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker


def node(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`node A = m.layer[1].head[3].out @ last`: a name for a site, a readout, a column, or arithmetic of them."""
    name, *kind, body = inner(tree)
    value = low.expr(body)
    if is_estimand(value):
        raise error(
            "CQ214",
            "a node has a value on each row, and this speaks of all rows",
            low.span(body),
            help="name an estimand with `let`",
        )
    event = is_event(value)
    if event and not kind:
        raise error(
            "CQ225", "a node that is an event says so", low.span(name), help=f"`node {low.word(name)} : bool = …`"
        )
    if kind and low.word(kind[0]) != "bool":
        raise error(
            "CQ225", f"`{low.word(kind[0])}` is no kind of node", low.span(kind[0]), help="the only kind is `bool`"
        )
    unit(value, low.span(body))
    checker.scope.declare(low.word(name), value, low.span(name), again=checker.redefine)
    checker.remember(value, low.word(name))


def let(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`let total = E[Y | w] - E[Y]`: a name for a value, a world, or a function."""
    name, *parameters, body = inner(tree)
    word = low.word(name)
    if parameters:
        names = [low.word(p) for p in inner(tree_of(parameters[0]))]
        if len(set(names)) < len(names):
            raise error("CQ202", f"a parameter of `{word}` stands twice", low.span(parameters[0]), help="rename one")
        made: Value = Function(word, tuple(names), body, low.statement, checker.scope)
    else:
        checker.scope.later.pop(word, None)
        made = low.value(body) if not _mentions(body, word) else _self(checker, word, body, low)
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)
    if isinstance(made, Expr):
        unit(made, low.span(body))
    if isinstance(made, Expr | World):
        checker.remember(made, word)


def _is_name(token: object) -> bool:
    return isinstance(token, Token) and token.type == "NAME"


def _mentions(body: Node, word: str) -> bool:
    return isinstance(body, Tree) and any(str(t) == word for t in body.scan_values(_is_name))


def _self(checker: Checker, word: str, body: Node, low: Lowering) -> Value:
    """A body that names what it declares."""
    if word in checker.scope.names:  # at a prompt: the earlier meaning
        return low.value(body)
    token = next(t for t in tree_of(body).scan_values(_is_name) if str(t) == word)
    raise error(
        "CQ304",
        f"`{word}` refers to itself",
        low.span(token),
        "inside its own declaration",
        help="a world is built from others; name the factual one `do()`, or declare a second name",
    )


def graph(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`graph G { X -> M, M -> Y, X <-> Y } assume "…"`."""
    name, *rest = inner(tree)
    vertices: dict[str, Span] = {}
    directed: list[tuple[str, str]] = []
    bidirected: list[tuple[str, str]] = []
    drawn_in: dict[tuple[str, str], Span] = {}
    formulas: list[Tree[Token]] = []
    assume = ""
    for part in rest:
        if isinstance(part, Token):
            assume = unquote(str(part))
            continue
        if part.data == "formula":
            formulas.append(part)
            continue
        items = [low.word(c) for c in part.children if isinstance(c, Tree) and c.data == "name"]
        for c in part.children:
            if isinstance(c, Tree) and c.data == "name":
                low.scope.find(low.word(c), low.span(c))
                vertices.setdefault(low.word(c), low.span(c))
        arrows = [operators(c)[0] for c in part.children if isinstance(c, Tree) and c.data == "arrow"]
        for a, arrow, b in zip(items, arrows, items[1:], strict=False):
            if a == b:
                raise error("CQ313", f"`{a}` has an arrow into itself", low.span(part), help="remove it")
            if arrow == "<->":
                bidirected.append((min(a, b), max(a, b)))
            else:
                directed.append((a, b) if arrow == "->" else (b, a))
                drawn_in[directed[-1]] = low.span(part)
    made_by = calculated(formulas, drawn_in, vertices, low) if formulas else ()
    directed += [(cause, name) for name, formula in made_by for cause in variables_in(formula)]
    import networkx as nx  # only here: its import costs more than the rest of a check

    drawn = nx.DiGraph(directed)
    if not nx.is_directed_acyclic_graph(drawn):
        loop = nx.find_cycle(drawn)
        raise error(
            "CQ313",
            f"the graph has a cycle: {' -> '.join([*(a for a, _ in loop), loop[0][0]])}",
            max((drawn_in.get(edge, low.statement) for edge in loop), key=lambda place: place.start),
            "closes the cycle",
            help="causes come before effects: remove one of these arrows",
        )
    word = low.word(name)
    made = Graph(word, tuple(vertices), tuple(directed), tuple(bidirected), assume, low.span(name), made_by)
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)
    checker.graphs[word] = made


def use(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`use "./ioi.cq" as a`: the names of another file; nothing of it runs. Of a file of Python, its readouts."""
    path, name, *bindings = inner(tree)
    if bindings:
        raise error(
            "CQ105", "bindings of `use` are not available in this version", low.span(bindings[0]), help="leave it out"
        )
    file: FilePath = checker.resolve(unquote(str(path)))
    if file.suffix == ".py":
        scope, remark = functions(file, low.span(path))
        checker.found.append(remark)
    else:
        scope = checker.use(file, low.span(path))
    checker.scope.declare(low.word(name), Module(low.word(name), scope), low.span(name), again=checker.redefine)
