"""`check X _||_ Y | Z in G`: whether a diagram implies an independence. Nothing has to run for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.causal.paths import open_path, separator
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.identifying import diagram_of, graph_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Label, Span, error, warning
from causalcircuit.query import Graph
from causalcircuit.query.independence import Independent
from causalcircuit.syntax.trees import inner, operators, text_of, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_USAGE = "write `check X _||_ Y | Z in G`"


@dataclass(slots=True)
class _Said:
    """An independence as far as it was read."""

    sides: list[Tree[Token]]
    given: list[Tree[Token]] = field(default_factory=list)
    bar: bool = False


def check(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`check X _||_ Y, A _||_ [B, C] | D, E in G`."""
    option: Tree[Token] | None = None
    parts: list[Tree[Token]] = []
    for part in map(tree_of, inner(tree)):
        if part.data != "in_diagram":
            parts.append(part)
        elif option is not None:
            first = Label(low.span(option), "first here")
            raise error("CQ112", "`in` stands twice", low.span(part), labels=[first], help="leave one out")
        else:
            option = part
    said = _read(parts, low)
    graph = graph_of(option, low)
    for one in said:
        place = Span(low.statement.source, low.span(one.sides[0]).start, low.span((*one.sides, *one.given)[-1]).end)
        a, b = (_names([side], low) for side in one.sides)
        try:
            made = independent(a, b, _names(one.given, low), graph, comments, place)
        except DiagnosticError as problem:
            raise DiagnosticError(*(d.at(place) for d in problem.diagnostics)) from None
        if checker.asks:
            checker.independences.append(made)
            checker.found.extend(denials([made]))


def independent(
    a: Sequence[str],
    b: Sequence[str],
    given: Sequence[str],
    graph: Graph,
    comments: tuple[str, ...] = (),
    span: Span | None = None,
) -> Independent:
    """What a diagram says of an independence.

    Args:
        a, b, given: names of its vertices, latents too. graph: the diagram. comments: lines for the report.
        span: of the question.

    Raises:
        DiagnosticError: CQ832 an unknown variable, CQ833 one that stands twice.
    """
    one, other, behind = (tuple(dict.fromkeys(names)) for names in (a, b, given))
    diagram = diagram_of(graph)
    path = open_path(diagram, one, other, behind)
    if path is None:
        return Independent(one, other, behind, graph.name, True, comments=comments, span=span)
    apart = separator(diagram, one, other)
    return Independent(one, other, behind, graph.name, False, str(path), path.why, apart, comments, span)


def denials(answers: Sequence[Independent]) -> list[Diagnostic]:
    """A warning for each independence that its diagram does not imply."""
    return [
        warning(
            "CQ844",
            f"`{made.graph}` does not imply `{made}`",
            made.span,
            help=(
                f"an open path: {made.path}",
                *made.why,
                f"implied is `{made.instead}`" if made.instead else "no set of its variables separates them",
            ),
        )
        for made in answers
        if not made.implied
    ]


def _read(parts: list[Tree[Token]], low: Lowering) -> list[_Said]:
    """Each independence; a side that is followed by `_||_` begins one, other sides go on with the conditions."""
    found: list[_Said] = []
    marks = [operators(p)[0] if p.data == "between" else "" for p in parts]
    for i, part in enumerate(parts):
        before = marks[i - 1] if i else ","
        if marks[i]:
            continue
        if i + 1 < len(parts) and marks[i + 1] == "_||_":
            if before != ",":
                raise _unread("`_||_` stands twice in one independence", low.span(parts[i + 1]))
            found.append(_Said([part]))
        elif before == "_||_":
            found[-1].sides.append(part)
        elif not found:
            raise _unread(f"`{low.span(part).text}` is held against nothing", low.span(part))
        elif before == "|":
            if found[-1].bar:
                raise _unread("`|` stands twice in one independence", low.span(parts[i - 1]))
            found[-1].given.append(part)
            found[-1].bar = True
        elif not found[-1].bar:
            raise _unread(f"`{low.span(part).text}` is held against nothing", low.span(part))
        else:
            found[-1].given.append(part)
    return found


def _names(sides: list[Tree[Token]], low: Lowering) -> list[str]:
    return [text_of(name, low.statement) for side in sides for name in inner(side)]


def _unread(what: str, place: Span) -> DiagnosticError:
    way = "several variables on a side stand in a list, `[X, Z] _||_ Y`; commas separate independences"
    return error("CQ287", what, place, help=(_USAGE, way))
