"""The methods of identification by name: each makes a formula of a question, and writes down its steps if asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from causalcircuit.causal.adjustment import Backdoor
from causalcircuit.causal.frontdoor import Frontdoor
from causalcircuit.causal.id import NotIdentified
from causalcircuit.causal.solving import Question
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Term, prob


def needed(question: Question, trace: Trace | None) -> int:
    """The treatments that lead to an outcome."""
    graph, y, x = question.setting.frame.graph, question.y, question.x
    kept = x & graph.ancestors(y, question.setting.all, x)
    if trace is not None and kept != x:
        claim = Claim(y, x & ~kept, kept, x)
        trace.add("rule 3", prob(y, 0, x), prob(y, 0, kept), claim, note="no path leads to the outcome")
    return kept


def _adjusted(question: Question, trace: Trace | None, chosen: int | None) -> Term:
    x = question.x if chosen is not None else needed(question, trace)
    if not x:
        return prob(question.y)
    problem = Backdoor.of(question.setting.frame.graph, question.y, x)
    best = problem.best() if chosen is None else (chosen, "") if problem.valid(chosen) else None
    if best is None:
        raise NotIdentified(0, 0)
    if trace is not None:
        problem.derive(best[0], trace)
    return problem.term(best[0])


def _through(question: Question, trace: Trace | None, chosen: int | None) -> Term:
    x = question.x if chosen is not None else needed(question, trace)
    if not x:
        return prob(question.y)
    problem = Frontdoor.of(question.setting.frame.graph, question.y, x)
    mediators = problem.smallest() if chosen is None else chosen if problem.valid(chosen) else None
    if mediators is None:
        raise NotIdentified(0, 0)
    if trace is not None:
        problem.derive(mediators, trace)
    return problem.term(mediators)


def _complete(question: Question, trace: Trace | None, _: int | None) -> Term:
    return question.solve(trace)


FORMULAS: Mapping[str, Callable[[Question, Trace | None, int | None], Term]] = {
    "adjustment": _adjusted,
    "frontdoor": _through,
    "id": _complete,
}
