"""Questions and answers: whether an effect is identified, by which formula, why, and what would help if not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from causalcircuit.causal.adjustment import Backdoor
from causalcircuit.causal.advice import Advice, advise
from causalcircuit.causal.bits import bits
from causalcircuit.causal.derivation import Line, lines
from causalcircuit.causal.diagram import Diagram, Names, apart, names_of
from causalcircuit.causal.estimand import Effect, Estimand
from causalcircuit.causal.frontdoor import Frontdoor
from causalcircuit.causal.hedge import Hedge, Thicket
from causalcircuit.causal.id import NotIdentified
from causalcircuit.causal.instrumental import Instrument, instruments, is_instrument
from causalcircuit.causal.methods import FORMULAS, needed
from causalcircuit.causal.solving import Question
from causalcircuit.causal.sources import Given
from causalcircuit.causal.steps import Trace
from causalcircuit.causal.surrogate import Unreached
from causalcircuit.causal.terms import mentioned
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
        using: the set that was asked for, in numbers.
    """

    effect: Effect
    diagram: Diagram
    given: tuple[Given, ...] | None
    by: str
    estimand: Estimand | Instrument | None = None
    hedge: Hedge | Thicket | None = None
    proven: bool = False
    notes: tuple[str, ...] = ()
    using: int | None = None

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
        FORMULAS[self.by](question, trace, self.using)
        return lines(trace, question.setting.frame.names)

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """Experiments and measurements that would identify the effect; none where it is identified."""
        if self.identified or self.hedge is None:
            return ()
        return advise(self.diagram, self.effect, self.given, self.hedge.outer)

    @cached_property
    def moved_by(self) -> tuple[str, ...]:
        """The treatments from which a path leads to an outcome."""
        question = Question.of(self.diagram, self.effect, self.given)
        return self.diagram.frame.named(needed(question, None))

    @cached_property
    def covariates(self) -> tuple[str, ...]:
        """What an estimate reads beside outcomes, treatments and conditions: the set, the mediators, the instrument.

        An instrument stands first, before what it is one given.
        """
        if isinstance(self.estimand, Instrument):
            return (self.estimand.z, *self.estimand.given)
        if not isinstance(self.estimand, Estimand):
            return ()
        frame = self.diagram.frame
        y, x = frame.mask(self.effect.of), frame.mask(self.moved_by)
        if self.by == "adjustment" and x:
            best = Backdoor.of(frame.graph, y, x).best()
            chosen = self.using if self.using is not None else best[0] if best is not None else 0
            return frame.named(chosen)
        if self.by == "frontdoor" and x:
            middle = self.using if self.using is not None else Frontdoor.of(frame.graph, y, x).smallest()
            return frame.named(middle or 0)
        own = (*self.effect.of, *self.effect.do, *self.effect.given)
        used = {self.estimand.names[v] for v in bits(mentioned(self.estimand.term))}
        return tuple(v for v in self.estimand.names if v in used and v not in own)

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
    using: Names | None = None,
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
        using: with `by`, the adjustment set, the mediators, or the instrument and what it is one given; an invalid one
            does not identify.

    Raises:
        DiagnosticError: CQ830 to CQ836 and CQ842 a diagram or a question that makes no sense, CQ839 an instrument for
            several variables, CQ840 no outcome, CQ841 an unknown method, or `using` without one.
    """
    if using is not None and by not in {"adjustment", "frontdoor", "iv"}:
        raise error("CQ841", f"`using` says nothing to `{by}`", help="name the method: adjustment, frontdoor or iv")
    if by not in METHODS:
        raise error("CQ841", f"there is no method `{by}`", help=did_you_mean(by, METHODS))
    drawn = Diagram.read(diagram) if isinstance(diagram, str) else diagram
    effect = Effect(names_of(of), names_of(do), names_of(given))
    known = None if sources is None else tuple(sources)
    question = Question.of(drawn, effect, known)
    notes = _idle(question, effect)
    if by == "iv":
        return _instrument(drawn, effect, question, notes, None if using is None else names_of(using))
    chosen = None if using is None else question.setting.frame.mask(using)
    if chosen is not None:
        apart(question.setting.frame, question.y, question.x, question.z, chosen)
    simple = question.plain and not question.z
    ways = {"auto": ("adjustment", "frontdoor", "id") if simple else ("id",)}.get(by, (by,))
    for way in ways:
        if way != "id" and not simple:
            note = f"{way} is for effects without conditions, from the observed distribution"
            return Identification(effect, drawn, known, way, notes=(*notes, note))
        try:
            term = FORMULAS[way](question, None, chosen)
        except Unreached as failure:
            thicket = Thicket.of(question.setting, failure)
            return Identification(effect, drawn, known, way, None, thicket, question.proves, notes)
        except NotIdentified as failure:
            if way != "id":
                continue  # the next method, or none
            x, z = question.reduced()
            hedge = Hedge.of(question.setting.frame, failure.forest, failure.inner, question.y, x, z)
            return Identification(effect, drawn, known, way, None, hedge, True, notes)
        found = Estimand(effect, term, question.setting.frame.names)
        return Identification(effect, drawn, known, way, found, notes=notes, using=chosen)
    what = "adjustment set" if by == "adjustment" else "front-door set"
    note = f"there is no valid {what}" if using is None else f"{{{', '.join(names_of(using))}}} is no valid {what}"
    return Identification(effect, drawn, known, by, notes=(*notes, note))


def _idle(question: Question, effect: Effect) -> tuple[str, ...]:
    """What to say where no treatment leads to an outcome."""
    graph = question.setting.frame.graph
    if question.z or not question.x or graph.ancestors(question.y, question.setting.all, question.x) & question.x:
        return ()
    return (f"no path leads from {', '.join(effect.do)} to {', '.join(effect.of)}: setting it changes nothing",)


def _instrument(
    diagram: Diagram, effect: Effect, question: Question, notes: tuple[str, ...], using: tuple[str, ...] | None
) -> Identification:
    """The first instrument; a slope of linear models, never a distribution."""
    if len(effect.of) != 1 or len(effect.do) != 1:
        raise error("CQ839", "an instrument is for one treatment and one outcome", help="ask of one pair at a time")
    if effect.given or not question.plain:
        note = "iv is for effects without conditions, from the observed distribution"
        return Identification(effect, diagram, None, "iv", notes=(*notes, note))
    if using is None:
        found = instruments(diagram, effect.of[0], effect.do[0])
    else:
        one = Instrument(using[0], effect.do[0], effect.of[0], using[1:])
        found = (one,) if is_instrument(diagram, one) else ()
    if not found:
        note = "no variable is an instrument" if using is None else f"`{', '.join(using)}` is no valid instrument"
        return Identification(effect, diagram, None, "iv", notes=(*notes, note))
    note = "assumes that the outcome is linear in the treatment, with one slope for all rows"
    return Identification(effect, diagram, None, "iv", found[0], notes=(*notes, note))
