"""One question through the complete algorithms: conditions first, then districts, from whatever is given."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.conditional import divided, exchanged
from causalcircuit.causal.diagram import Diagram, apart
from causalcircuit.causal.estimand import Effect
from causalcircuit.causal.id import Context, NotIdentified, identify
from causalcircuit.causal.law import Observed
from causalcircuit.causal.sources import Given, Setting, setting
from causalcircuit.causal.steps import Trace
from causalcircuit.causal.surrogate import Unreached, general
from causalcircuit.causal.terms import Term, prob
from causalcircuit.diagnostics import error


@dataclass(frozen=True, slots=True)
class Question:
    """An effect and what is given, in numbers."""

    setting: Setting
    y: int
    x: int
    z: int

    @classmethod
    def of(cls, diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None) -> Question:
        """Number a question; without distributions, all observed variables of the population asked about are given.

        Raises:
            DiagnosticError: CQ832 an unknown variable, CQ833 a variable on two sides, CQ840 no outcome, CQ842 a
                latent, and what `setting` raises.
        """
        asked = (*effect.of, *effect.do, *effect.given)
        for name in asked:
            if name in diagram.latents:
                raise error(
                    "CQ842",
                    f"`{name}` is latent: `{effect}` asks of it",
                    help="a latent is never measured or set: ask of observed variables, or do not call it latent",
                )
        if not effect.of:
            raise error("CQ840", "an effect needs an outcome", help="name what is read: P(Y | do(X))")
        found = setting(diagram, asked, (Given(diagram.observed),) if given is None else given)
        masks = [found.frame.mask(side) for side in (effect.of, effect.do, effect.given)]
        apart(found.frame, *masks)
        return cls(found, *masks)

    @property
    def plain(self) -> bool:
        """Whether all that is given is the observed distribution of every variable."""
        sources = self.setting.sources
        return len(sources) == 1 and sources[0].root < 0 and sources[0].measured == self.setting.all

    @property
    def proves(self) -> bool:
        """Whether a failure proves that the effect is not identified.

        Completeness is proven for observations (Shpitser and Pearl 2006) and, from distributions of all variables, for
        unconditional effects (Lee, Correa and Bareinboim 2019, 2020).
        """
        return self.plain or (self.setting.complete and not self.reduced()[1])

    def reduced(self, trace: Trace | None = None) -> tuple[int, int]:
        """Treatments and conditions after rule 2."""
        return exchanged(self.setting.frame.graph, self.y, self.x, self.z, trace) if self.z else (self.x, 0)

    def solve(self, trace: Trace | None = None) -> Term:
        """The estimand.

        Raises:
            NotIdentified: with the hedge, or as `Unreached` with those of each source.
        """
        x, z = self.reduced(trace)
        graph, everything = self.setting.frame.graph, self.setting.all
        if self.plain:
            context = Context(graph, trace)
            joint = identify(context, self.y | z, x, Observed(graph, everything), everything)
        else:
            joint = general(self.setting, self.y | z, x, trace)
        found = divided(self.y, z, x, joint, trace)
        if trace:
            whole = prob(self.y, self.z, self.x)
            if (trace[-1].before, trace[-1].after) != (whole, found):
                trace.add("substitution", whole, found, note="put together")
        return found


def obstacle(diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None) -> tuple[str, ...] | None:
    """The variables among which the search for an effect fails; None where it is found."""
    question = Question.of(diagram, effect, given)
    try:
        question.solve()
    except Unreached as failure:
        return question.setting.frame.named(failure.outer)
    except NotIdentified as failure:
        return question.setting.frame.named(failure.forest)
    return None
