"""Statements that declare: node, let, use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.foreign import functions
from causalcircuit.check.measure import unit
from causalcircuit.check.terms import constant_of
from causalcircuit.check.values import Function, Module, Value
from causalcircuit.diagnostics import error
from causalcircuit.query import (
    Expr,
    World,
    is_estimand,
    is_event,
)
from causalcircuit.syntax.trees import Node, inner, tree_of, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker


def node(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`node A = m.layer[1].head[3].out @ last`: a name for a site, a readout, a column, or arithmetic of them."""
    parts = inner(tree)
    worlds = [tree_of(p) for p in parts if isinstance(p, Tree) and p.data == "realization"]
    name, *kind, body = parts[: len(parts) - len(worlds)]
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
    realized = realizations(worlds, low)
    checker.scope.declare(low.word(name), value, low.span(name), again=checker.redefine)
    checker.scope.realized.pop(low.word(name), None)
    if realized:
        checker.scope.realized[low.word(name)] = realized
        checker.scope.drawn.add(value)  # `do` may set it, in questions that a diagram answers
    checker.remember(value, low.word(name))


def realizations(parts: Sequence[Tree[Token]], low: Lowering) -> tuple[tuple[Expr, World], ...]:
    """`realize 1 -> kitchen, 0 -> office`: the worlds of a model that stand for values of rows.

    Raises:
        DiagnosticError: CQ867, a value that is none, or that stands twice.
    """
    found: dict[Expr, World] = {}
    for part in parts:
        written, _, world = part.children
        value = constant_of(low.expr(written))
        if value is None or value in found:
            what = "is no number and no text" if value is None else "stands twice"
            way = "each value has one world: `realize 1 -> kitchen, 0 -> office`"
            raise error("CQ867", f"the value `{low.span(written).text}` {what}", low.span(written), help=way)
        found[value] = low.world(world)
    return tuple(found.items())


def let(checker: Checker, tree: Tree[Token], low: Lowering) -> None:
    """`let total = E[Y | w] - E[Y]`: a name for a value, a world, or a function."""
    name, *parameters, body = inner(tree)
    word = low.word(name)
    if parameters:
        made: Value = function(word, parameters[0], body, low)
    else:
        checker.scope.later.pop(word, None)
        made = low.value(body) if not _mentions(body, word) else _self(checker, word, body, low)
    checker.scope.declare(word, made, low.span(name), again=checker.redefine)
    if isinstance(made, Expr):
        unit(made, low.span(body))
    if isinstance(made, Expr | World):
        checker.remember(made, word)


def function(word: str, parameters: Node, body: Node, low: Lowering) -> Function:
    """`f(x, y = do())`: a function, whose body and defaults are read when it is called.

    Raises:
        DiagnosticError: CQ202, a parameter stands twice; CQ901, one that is needed stands after one that is not.
    """
    names: list[str] = []
    defaults: list[tuple[str, Node]] = []
    for parameter in inner(tree_of(parameters)):
        if tree_of(parameter).data == "optional":
            name, value = inner(tree_of(parameter))
            defaults.append((low.word(name), value))
            names.append(low.word(name))
            continue
        if defaults:
            way = f"put `{low.word(parameter)}` before `{defaults[0][0]}`, or give it a default too"
            raise error("CQ901", "a parameter without a default follows one with it", low.span(parameter), help=way)
        names.append(low.word(parameter))
    if len(set(names)) < len(names):
        raise error("CQ202", f"a parameter of `{word}` stands twice", low.span(parameters), help="rename one")
    return Function(word, tuple(names), body, low.statement, low.scope, tuple(defaults))


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
