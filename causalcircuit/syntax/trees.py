"""Reading Lark's trees: places in the source, and the children that carry meaning."""

from __future__ import annotations

import re

from lark import Token, Tree

from causalcircuit.diagnostics import Span

ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
"""What a character after a backslash stands for, in a string."""

Node = Tree[Token] | Token
_MEANT = frozenset({"NAME", "NUMBER", "PERCENT", "STRING", "FIELD"})


def span_of(node: Node, statement: Span) -> Span:
    """Where a node stands; `statement` is the span of the statement that it was parsed from."""
    if isinstance(node, Token):
        start, end = node.start_pos or 0, node.end_pos or 0
    elif node.meta.empty:
        start = end = 0
    else:
        start, end = node.meta.start_pos, node.meta.end_pos
    return Span(statement.source, statement.start + start, statement.start + end)


def inner(tree: Tree[Token]) -> list[Node]:
    """The children of a node without brackets, operators and the words of the grammar."""
    return [c for c in tree.children if isinstance(c, Tree) or c.type in _MEANT]


def named(tree: Tree[Token]) -> tuple[str, Node]:
    """The name and the value of a named argument; reserved words such as `on` are names there."""
    first = tree.children[0]
    return str(first.children[0] if isinstance(first, Tree) else first), inner(tree)[-1]


def operators(tree: Tree[Token]) -> list[str]:
    """The operator tokens of a node."""
    return [str(c) for c in tree.children if isinstance(c, Token) and c.type not in _MEANT]


def text_of(node: Node, statement: Span) -> str:
    """The source text of a node on one line, with single spaces and without comments."""
    text = span_of(node, statement).text
    return re.sub(r"\s+", " ", re.sub(r'("(?:[^"\\\n]|\\.)*")|#[^\n]*', lambda m: m.group(1) or "", text)).strip()


def unquote(token: str) -> str:
    """The characters that a string literal stands for."""
    return re.sub(r"\\(.)", lambda m: ESCAPES[m.group(1)], token[1:-1])


def tree_of(node: Node) -> Tree[Token]:
    """A node that the grammar makes a tree."""
    if not isinstance(node, Tree):  # pragma: no cover - by the grammar
        raise TypeError(f"a tree is expected, not the token {node!r}")
    return node
