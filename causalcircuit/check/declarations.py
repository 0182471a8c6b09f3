"""Statements that declare: node, let, use."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.foreign import functions
from causalcircuit.check.measure import unit
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
