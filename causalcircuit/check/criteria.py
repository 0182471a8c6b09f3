"""`where abs(score) > 0.02 and selected > 0.8`: conditions on the wires of a circuit, from their trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lark import Token, Tree

from causalcircuit.diagnostics import DiagnosticError, Source, Span, error
from causalcircuit.query import Number
from causalcircuit.query.circuits.criteria import Both, Criterion, Either, Measure, Not, Test
from causalcircuit.syntax import parse_expression
from causalcircuit.syntax.trees import Node, inner, operators, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def criterion(node: Node, low: Lowering) -> Criterion:
    """A condition on `score`, `abs(score)` and `selected`.

    Raises:
        DiagnosticError: CQ260, it speaks of something else.
    """
    tree = tree_of(node)
    match str(tree.data).rstrip("_"):
        case "group":
            return criterion(inner(tree)[0], low)
        case "conjunction":
            return Both(tuple(criterion(n, low) for n in inner(tree)))
        case "disjunction":
            return Either(tuple(criterion(n, low) for n in inner(tree)))
        case "not":
            return Not(criterion(inner(tree)[0], low))
        case "compare":
            return _compared(tree, low)
        case "within" | "outside" as kind:
            value, bounds = inner(tree)
            ends = [_number(b, low) for b in inner(tree_of(bounds))]
            measure = _measure(value, low)
            inside = Both((Test(measure, ">=", ends[0]), Test(measure, "<=", ends[1])))
            return inside if kind == "within" else Not(inside)
        case _:
            raise _wrong(low.span(tree))


def criterion_of(text: str) -> Criterion:
    """A condition from its text.

    Raises:
        DiagnosticError: CQ1xx, it cannot be read; CQ260, it speaks of something else.
    """
    from causalcircuit.check.expressions import Lowering
    from causalcircuit.check.scope import Scope

    source = Source("<condition>", text)
    return criterion(parse_expression(source), Lowering(Span(source, 0, len(text)), Scope()))


def _compared(tree: Tree[Token], low: Lowering) -> Test:
    left, right = inner(tree)
    op = operators(tree)[0]
    if op not in _TURNED:
        raise _wrong(low.span(tree))
    if _measured(left, low) is None and _measured(right, low) is not None:
        left, right, op = right, left, _TURNED[op]
    return Test(_measure(left, low), op, _number(right, low))  # type: ignore[arg-type]


def _measure(node: Node, low: Lowering) -> Measure:
    found = _measured(node, low)
    if found is None:
        raise _wrong(low.span(node))
    return found


def _measured(node: Node, low: Lowering) -> Measure | None:
    text = "".join(low.span(node).text.split())
    return cast(Measure, text) if text in ("score", "abs(score)", "selected") else None


def _number(node: Node, low: Lowering) -> float:
    tree = tree_of(node)
    # Units are those of the readout, which stand in the report: `score > 0.1 logit` says the same.
    value = low.expr(tree) if tree.data in ("number", "percent", "negative", "group") else None
    if not isinstance(value, Number):
        raise _wrong(low.span(node))
    return value.value


def _wrong(span: Span) -> DiagnosticError:
    return error(
        "CQ260",
        f"`{span.text}` is no condition on the wires of a circuit",
        span,
        help="`where` compares `score`, `abs(score)` or `selected` with a number: `where abs(score) > 0.02`",
    )
