"""Questions and answers: whether an effect is identified, by which formula, why, and what would help if not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from causalcircuit.causal.adjustment import Backdoor
from causalcircuit.causal.advice import Advice, advise
from causalcircuit.causal.derivation import Line, lines
from causalcircuit.causal.diagram import Diagram, Names, names_of
from causalcircuit.causal.estimand import Effect, Estimand
from causalcircuit.causal.frontdoor import Frontdoor
from causalcircuit.causal.hedge import Hedge, Thicket
from causalcircuit.causal.id import NotIdentified
from causalcircuit.causal.instrumental import Instrument, instruments
from causalcircuit.causal.solving import Question
from causalcircuit.causal.sources import Given
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.surrogate import Unreached
from causalcircuit.causal.terms import Term, prob
from causalcircuit.diagnostics import did_you_mean, error

METHODS = ("auto", "adjustment", "frontdoor", "iv", "id")


@dataclass(frozen=True, eq=False)
class Identification:
    """The answer to one question.

    Attributes:
        effect: what was asked.
        diagram: of which diagram.
        given: the distributions that are known; None for all observed variables.
        by: the method that answered, or that was asked for.
        estimand: the formula; None where the effect is not identified.
        hedge: why not, where a hedge shows it.
        proven: whether "not identified" is proven, or no way was found.
        notes: what else is to be said.
    """

    effect: Effect
    diagram: Diagram
    given: tuple[Given, ...] | None
    by: str
    estimand: Estimand | Instrument | None = None
    hedge: Hedge | Thicket | None = None
    proven: bool = False
    notes: tuple[str, ...] = ()

    @property
    def identified(self) -> bool:
        """Whether there is a formula."""
        return self.estimand is not None

    @cached_property
    def derivation(self) -> tuple[Line, ...]:
        """The steps from the effect to the formula, each with its rule of the do-calculus or of probability."""
        if not isinstance(self.estimand, Estimand):
            return ()
        trace = Trace()
        question = Question.of(self.diagram, self.effect, self.given)
        _METHODS[self.by](question, trace)
        return lines(trace, question.setting.frame.names)

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """Experiments and measurements that would identify the effect; none where it is identified."""
        if self.identified or self.hedge is None:
            return ()
        return advise(self.diagram, self.effect, self.given, self.hedge.outer)

    def to_json(self, name: str = "") -> dict[str, object]:
        """The answer for machines."""
        found = self.estimand
        return {
            "name": name,
            "query": str(self.effect),
            "identified": self.identified,
            "proven": self.identified or self.proven,
            "by": self.by,
            "estimand": None if found is None else {"text": found.text, "latex": found.latex},
            "derivation": [line.to_json() for line in self.derivation],
            "hedge": None if self.hedge is None else self.hedge.to_json(),
            "advice": [one.to_json() for one in self.advice],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The answer as text."""
        if self.estimand is not None:
            head = (
                [f"{self.effect} = {self.estimand.text}"]
                if isinstance(self.estimand, Estimand)
                else [self.estimand.text]
            )
            return "\n".join([*head, *(f"  {line}" for line in self.derivation), *(f"  note: {n}" for n in self.notes)])
        verdict = "is not identified" if self.proven else "was not identified"
        rows = [f"{self.effect} {verdict} by {self.by}"]
        rows += [f"  because: {self.hedge}"] if self.hedge is not None else []
        return "\n".join([*rows, *(f"  note: {n}" for n in self.notes), *(f"  would help: {a}" for a in self.advice)])


def identify(
    diagram: Diagram | str,
    of: Names,
    do: Names = (),
    given: Names = (),
    *,
    sources: tuple[Given, ...] | list[Given] | None = None,
    by: str = "auto",
) -> Identification:
    """Whether P(of | do(do), given) follows from the diagram and what is known, and how.

    Args:
        diagram: the diagram, or its text.
        of: the outcomes.
        do: the treatments.
        given: the conditions, which hold in the world of the treatments.
        sources: the distributions that are known; all observed variables of the population asked about by default.
        by: `adjustment` (with the best set), `frontdoor`, `iv` (linear models only), `id` (the complete algorithms),
            or `auto`: the first of adjustment, frontdoor and id that identifies the effect.

    Raises:
        DiagnosticError: CQ830 to CQ836 and CQ842 a diagram or a question that makes no sense, CQ839 an instrument for
            several variables, CQ840 no outcome, CQ841 an unknown method.
    """
    if by not in METHODS:
        raise error("CQ841", f"there is no method `{by}`", help=did_you_mean(by, METHODS))
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    effect = Effect(names_of(of), names_of(do), names_of(given))
    known = None if sources is None else tuple(sources)
    question = Question.of(drawn, effect, known)
    notes = _idle(question, effect)
    if by == "iv":
        return _instrument(drawn, effect, question, notes)
    simple = question.plain and not question.z
    ways = {"auto": ("adjustment", "frontdoor", "id") if simple else ("id",)}.get(by, (by,))
    for way in ways:
        if way != "id" and not simple:
            note = f"{way} is for effects without conditions, from the observed distribution"
            return Identification(effect, drawn, known, way, notes=(*notes, note))
        try:
            term = _METHODS[way](question, None)
        except Unreached as failure:
            thicket = Thicket.of(question.setting, failure)
            return Identification(effect, drawn, known, way, None, thicket, question.proves, notes)
        except NotIdentified as failure:
            if way != "id":
                continue
            x, z = question.reduced()
            hedge = Hedge.of(question.setting.frame, failure.forest, failure.inner, question.y, x, z)
            return Identification(effect, drawn, known, way, None, hedge, True, notes)
        return Identification(
            effect, drawn, known, way, Estimand(effect, term, question.setting.frame.names), notes=notes
        )
    note = "no valid adjustment set" if by == "adjustment" else "no front-door set"
    return Identification(effect, drawn, known, by, notes=(*notes, note))


def _idle(question: Question, effect: Effect) -> tuple[str, ...]:
    """What to say where no treatment leads to an outcome."""
    graph = question.setting.frame.graph
    if question.z or not question.x or graph.ancestors(question.y, question.setting.all, question.x) & question.x:
        return ()
    return (f"no path leads from {', '.join(effect.do)} to {', '.join(effect.of)}: setting it changes nothing",)


def _needed(question: Question, trace: Trace | None) -> int:
    """The treatments that lead to an outcome."""
    graph, y, x = question.setting.frame.graph, question.y, question.x
    kept = x & graph.ancestors(y, question.setting.all, x)
    if trace is not None and kept != x:
        claim = Claim(y, x & ~kept, kept, x)
        trace.add("rule 3", prob(y, 0, x), prob(y, 0, kept), claim, note="no path leads to the outcome")
    return kept


def _adjusted(question: Question, trace: Trace | None) -> Term:
    x = _needed(question, trace)
    if not x:
        return prob(question.y)
    problem = Backdoor.of(question.setting.frame.graph, question.y, x)
    best = problem.best()
    if best is None:
        raise NotIdentified(0, 0)
    if trace is not None:
        problem.derive(best[0], trace)
    return problem.term(best[0])


def _through(question: Question, trace: Trace | None) -> Term:
    x = _needed(question, trace)
    if not x:
        return prob(question.y)
    problem = Frontdoor.of(question.setting.frame.graph, question.y, x)
    mediators = problem.smallest()
    if mediators is None:
        raise NotIdentified(0, 0)
    if trace is not None:
        problem.derive(mediators, trace)
    return problem.term(mediators)


def _complete(question: Question, trace: Trace | None) -> Term:
    return question.solve(trace)


_METHODS = {"adjustment": _adjusted, "frontdoor": _through, "id": _complete}


def _instrument(diagram: Diagram, effect: Effect, question: Question, notes: tuple[str, ...]) -> Identification:
    """The first instrument; a slope of linear models, never a distribution."""
    if len(effect.of) != 1 or len(effect.do) != 1:
        raise error("CQ839", "an instrument is for one treatment and one outcome", help="ask of one pair at a time")
    if effect.given or not question.plain:
        note = "iv is for effects without conditions, from the observed distribution"
        return Identification(effect, diagram, None, "iv", notes=(*notes, note))
    found = instruments(diagram, effect.of[0], effect.do[0])
    if not found:
        return Identification(effect, diagram, None, "iv", notes=(*notes, "no variable is an instrument"))
    note = "assumes that the outcome is linear in the treatment, with one slope for all rows"
    return Identification(effect, diagram, None, "iv", found[0], notes=(*notes, note))
