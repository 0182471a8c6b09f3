"""When a question is answered by a regime, and the statement `estimate Q in G on d by …` as it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from causalcircuit.check.expressions import Lowering
from causalcircuit.check.measure import unit
from causalcircuit.check.options import Given
from causalcircuit.diagnostics import error
from causalcircuit.query import DataRef, Graph, Query, is_estimand
from causalcircuit.query.regimes import INTERVENTION
from causalcircuit.syntax.trees import Node, text_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_ONLY = {"per": "ask for one group: `E[Y | do(X = 1), Z = 1]`", "for_each": "ask one by one", "as": "leave it out"}


def answers(given: Given) -> bool:
    """Whether a diagram and a regime answer: one is named, or a diagram without `by intervention` alone.

    `by intervention` alone is what a question without a regime means, unless variables of rows are set.
    """
    named = [r.name for r in given.regimes]
    return bool(given.linear or given.bounds is not None or given.sensitivity) or (
        named != [INTERVENTION] and (bool(named) or given.graph is not None)
    ) or (given.graph is not None and bool(given.graph.realized))  # fmt: skip


def only_intervention(given: Given, what: str) -> None:
    """Refuse other regimes than intervention where they are not asked by `estimate`.

    Raises:
        DiagnosticError: CQ863.
    """
    if [r.name for r in given.regimes] not in ([], [INTERVENTION]) or given.bounds is not None or given.sensitivity:
        place = given.seen.get("by") or given.seen["with_method"]
        way = "ask with `estimate`: its interval says what a verdict would"
        raise error("CQ863", f"{what} is answered by interventions only", place, help=way)


def estimate(
    checker: Checker, heads: Sequence[Node], given: Given, data: DataRef, comments: tuple[str, ...], low: Lowering
) -> None:
    """Read the estimands, and keep the question."""
    from causalcircuit.check.observing import Wishes, observing

    for option, way in _ONLY.items():
        if option in given.seen and not (option == "as" and given.form is None):
            word = {"for_each": "for"}.get(option, option)
            raise error("CQ863", f"`{word}` is not answered by regimes", given.seen[option], help=way)
    asked = []
    for head in heads:
        value = low.expr(head)
        if not is_estimand(value):
            raise error(
                "CQ214",
                f"`{low.span(head).text}` has a value on each row, and an estimate speaks of all rows",
                low.span(head),
                "a row value",
                help=f"write `E[{low.span(head).text}]` for its mean",
            )
        unit(value, low.span(head))
        asked.append(Query(text_of(head, low.statement), value, span=low.span(head)))
    spans = {"by": given.seen.get("by"), "with": given.seen.get("with_method")}
    wishes = Wishes(
        given.regimes,
        given.linear,
        given.bounds,
        given.sensitivity,
        {name: span for name, span in spans.items() if span is not None},
    )
    graph = graph_in(given, low)
    # Where no regime is named, each estimand has the first that is right for it.
    for part in [asked] if given.regimes else [[query] for query in asked]:
        checker.command(observing(part, graph, data, given.options, wishes, comments, low.statement), low)


def graph_in(given: Given, low: Lowering) -> Graph:
    """The diagram of a question.

    Raises:
        DiagnosticError: CQ286, none, or one with formulas.
    """
    if given.graph is None:
        graphs = [name for name, (value, _) in low.scope.names.items() if isinstance(value, Graph)]
        way = f"add `in {graphs[0]}`" if len(graphs) == 1 else "declare `graph G { X -> Y }`, and add `in G`"
        raise error("CQ286", "this says not in which diagram", low.statement, help=way)
    if given.graph.formulas:
        way = "draw its arrows: `graph G { X -> Y }`"
        raise error(
            "CQ286", f"`{given.graph.name}` has formulas, and no unmeasured causes", given.seen["in_diagram"], help=way
        )
    return given.graph
