"""What belongs to diagrams, in questions that rows or models must answer (CQ215, CQ284)."""

from __future__ import annotations

from collections.abc import Iterable

from causalcircuit.check.assign import assignable
from causalcircuit.check.wording import within
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Query, walk
from causalcircuit.query.algebra import world_in
from causalcircuit.query.identification import AnyValue, Variable


def in_diagrams_only(queries: Iterable[Query]) -> list[Diagnostic]:
    """The variables and values of a question that nothing but a diagram knows, and what only a diagram lets be set."""
    found: dict[Diagnostic, None] = {}
    for query in queries:
        for e in walk(query.expr):
            if isinstance(e, Variable | AnyValue):
                found[_unmeasured(e, query)] = None
            world = world_in(e)
            for a in () if world is None else world.assignments:
                if isinstance(a.target, Variable):
                    continue
                try:
                    assignable(a.target, a)
                except DiagnosticError as problem:
                    found.update(dict.fromkeys(problem.diagnostics))
    return list(found)


def _unmeasured(e: Variable | AnyValue, query: Query) -> Diagnostic:
    place = within(e.span, query.span)
    if isinstance(e, AnyValue):
        way = "name the value: `do(X = 1)`"
        return Diagnostic("CQ284", "`*` is every value, and a number is of one", place, "at every value", help=(way,))
    return Diagnostic(
        "CQ284",
        f"`{e.name}` is in a diagram and nowhere else: no row has a value of it",
        place,
        "bound to nothing",
        help=(f"bind it above the graph: `node {e.name} = row.column`", "ask with `identify … in G`"),
    )
