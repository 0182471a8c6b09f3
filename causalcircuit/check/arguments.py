"""The arguments of calls: positional ones, named ones, words; whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from causalcircuit.check.values import kind_of
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import Column, DataRef, Expr, Number
from causalcircuit.syntax.trees import Node, named, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering


@dataclass(frozen=True, slots=True)
class Given:
    """What a call is given: `plain` arguments in order, `named` ones, and bare `words`, with their places."""

    plain: list[Node] = field(default_factory=list)
    named: dict[str, Node] = field(default_factory=dict)
    words: dict[str, Node] = field(default_factory=dict)


def sorted_out(
    low: Lowering,
    arguments: list[Node],
    span: Span,
    usage: tuple[str, ...],
    *,
    plain: int,
    names: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
) -> Given:
    """The arguments of a call by kind; `plain` of them come first.

    Raises:
        DiagnosticError: CQ207, some are missing, stand twice or are not known.
    """
    found = Given()
    for node in arguments:
        tree = tree_of(node)
        name, value = named(tree) if tree.data == "named" else ("", None)
        word = low.word(tree.children[0]) if tree.data == "reference" else ""
        if value is not None and name in names and name not in found.named:
            found.named[name] = value
        elif value is None and len(found.plain) < plain and not (found.named or found.words):
            found.plain.append(node)
        elif value is None and word in words and word not in found.words:
            found.words[word] = node
        else:
            raise wrong(usage, low.span(node))
    if len(found.plain) < plain:
        raise wrong(usage, span)
    return found


def wrong(usage: tuple[str, ...], span: Span) -> DiagnosticError:
    """Arguments that a function does not take."""
    name = usage[0].partition("(")[0]
    return error(
        "CQ207", f"these are no arguments of `{name}`", span, help="write " + ", ".join(f"`{u}`" for u in usage)
    )


def data(low: Lowering, node: Node, name: str = "mean") -> DataRef:
    """The data that a reference is computed over.

    Raises:
        DiagnosticError: CQ217, it is something else.
    """
    value, span = low.value(node), low.span(node)
    if not isinstance(value, DataRef):
        way = f"name declared data, or a part of them: `{name}(A, on = d.train)`"
        raise error("CQ217", f"`{span.text}` is {kind_of(value)}, not data", span, help=way)
    return value


def whole(e: Expr, what: str, least: int, span: Span | None) -> int:
    """A whole number.

    Raises:
        DiagnosticError: CQ363, it is none, or too small.
    """
    value = e.value if isinstance(e, Number) and e.unit is None else -1.0
    if value != int(value) or not least <= value < 2**63:
        kind = "a positive whole number" if least else "a whole number from 0"
        raise error(
            "CQ363", f"`{what}` is {kind}, and `{shown(e)}` is none", e.span or span, help=f"write `{what} = 7`"
        )
    return int(value)


def column(e: Expr, what: str, span: Span | None) -> Column:
    """A column.

    Raises:
        DiagnosticError: CQ363, it is none.
    """
    if not isinstance(e, Column):
        way = f"write `{what} row.name`"
        raise error("CQ363", f"`{what}` takes a column, and `{shown(e)}` is none", e.span or span, help=way)
    return e
