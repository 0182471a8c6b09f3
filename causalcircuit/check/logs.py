"""`observe [A, B, LD] on d to "./log.parquet"`: which values of rows are logged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.observing import of_model
from causalcircuit.check.options import on_data
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Span, error
from causalcircuit.query import Column, DataRef, Expect, Expr, Items, Query, is_estimand, walk
from causalcircuit.query.logs import Logging
from causalcircuit.rows import peek
from causalcircuit.syntax.trees import Node, inner, tree_of, unquote

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

ROW = "row"
"""The column of a log that says which row of the data it is of."""


def observe(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """Read what is logged, and keep the question."""
    heads: list[Node] = []
    options: dict[str, Tree[Token]] = {}
    for part in inner(tree):
        if isinstance(part, Tree) and part.data in ("on", "to"):
            if str(part.data) in options:
                raise error("CQ112", f"`{part.data}` stands twice", low.span(part), help="leave one out")
            options[str(part.data)] = part
        else:
            heads += inner(part) if isinstance(part, Tree) and part.data == "items" else [part]
    if "on" not in options:
        raise error("CQ217", "this says not on which data to observe", low.statement, help=on_data(low))
    if "to" not in options:
        raise error(
            "CQ868", "this says not where to write what is observed", low.statement, help='add `to "./log.parquet"`'
        )
    where = inner(options["on"])[0]
    data = low.value(where)
    if not isinstance(data, DataRef):
        raise error(
            "CQ217", f"`{low.span(where).text}` is {kind_of(data)}, not data", low.span(where), help=on_data(low)
        )
    path = inner(options["to"])[0]
    nodes = [(low.span(head).text, low.expr(head), low.span(head)) for head in heads]
    file = checker.resolve(unquote(str(path)))
    name = low.statement.source.name
    made = logging(nodes, data, file, name, comments, low.statement, low.span(tree_of(options["to"])))
    checker.command(made, low)


def logging(
    nodes: Sequence[tuple[str, Expr, Span | None]],
    data: DataRef,
    path: Path,
    program: str = "",
    comments: tuple[str, ...] = (),
    span: Span | None = None,
    place: Span | None = None,
) -> Logging:
    """The command that logs values of rows.

    Args:
        nodes: name, value and place of each. data: the rows. path: the file. program: who asks.

    Raises:
        DiagnosticError: CQ868, a value without a name, two of one name, a set, or a file of another kind; CQ402.
    """
    if path.suffix != ".parquet":
        way = "a log is Parquet: types stay what they are, and it says what it was made from"
        raise error("CQ868", f"`{path.name}` does not end in .parquet", place, help=way)
    held = {ROW, *(c.name for c in (data.cluster, data.weight) if c is not None)}
    rows = peek(data)
    seen: set[str] = set()
    for name, value, at in nodes:
        if not name.isidentifier() or isinstance(value, Items) or is_estimand(value):
            raise error(
                "CQ868", f"`{name}` is no name of one value of a row", at, help=f"name it first: `node A = {name}`"
            )
        if name in seen or (name in held and value != Column(name)):
            what = (
                "stands twice" if name in seen else f"is a column of its own: every log keeps {', '.join(sorted(held))}"
            )
            raise error("CQ868", f"`{name}` {what}", at, help="give the node another name")
        seen.add(name)
        for e in walk(value):
            if isinstance(e, Column) and not of_model(value):
                rows.column(e.name, e.span)
    if not nodes:
        raise error("CQ868", "nothing is observed", span, help="name nodes: `observe [A, B] on d`")
    asked = tuple(Query(name, Expect(value), span=at) for name, value, at in nodes if of_model(value))
    called = "a prompt" if program.startswith("<") else Path(program).name
    kept = tuple((name, value) for name, value, _ in nodes)
    return Logging(asked, data, comments=comments, span=span, nodes=kept, path=path, program=called)
