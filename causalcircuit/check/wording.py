"""How messages quote what a program says: in its own words where they are at hand."""

from __future__ import annotations

from causalcircuit.diagnostics import Span
from causalcircuit.query import Expr, World, render


def shown(item: Expr | World) -> str:
    """The source text of an expression where it fits in a line of a message, else its canonical text."""
    text = "" if item.span is None else item.span.text
    return text if text and "\n" not in text and "#" not in text else render(item)


def within(span: Span | None, outer: Span | None) -> Span | None:
    """`span` where it lies inside `outer`, else `outer`: messages point at the use, not at a declaration."""
    if span is None or outer is None:
        return span or outer
    inside = span.source == outer.source and outer.start <= span.start and span.end <= outer.end
    return span if inside else outer


def counted(n: int, noun: str) -> str:
    """`1 argument`, `2 arguments`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
