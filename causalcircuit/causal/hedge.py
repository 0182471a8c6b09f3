"""The hedge: why an effect is not identified, and two models that show it."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Frame
from causalcircuit.causal.sources import Setting
from causalcircuit.causal.surrogate import Unreached
from causalcircuit.causal.witness import Witness, witnesses


@dataclass(frozen=True)
class Hedge:
    """Two nested sets joined by bidirected edges, treatments only in the outer one (Shpitser and Pearl 2006).

    Inside the outer set the unmeasured causes tie the treatments to the inner one, which leads on to the outcome; two
    models can share all that is observed and differ in what the treatments do.

    Attributes:
        outer: the variables of the outer forest.
        inner: those of the inner one.
        roots: where both forests end; each is a cause of the outcome, or the outcome.
        treatments: the treatments in the outer forest.
        effect: the outcomes, treatments and conditions that fail, after rule 2.
        frame: the diagram in numbers, for `models`.
    """

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    roots: tuple[str, ...]
    treatments: tuple[str, ...]
    effect: tuple[int, int, int]
    frame: Frame

    @classmethod
    def of(cls, frame: Frame, outer: int, inner: int, y: int, x: int, z: int = 0) -> Hedge:
        """The hedge that the algorithm met while it looked for P(y, z | do(x))."""
        roots = sum(1 << v for v in bits(inner) if not frame.graph.ch[v] & inner)
        named = frame.named
        return cls(named(outer), named(inner), named(roots), named(outer & x), (y, x, z), frame)

    def models(self) -> tuple[Witness, Witness]:
        """Two models of the diagram with one strictly positive distribution of what is observed, and two effects."""
        mask = self.frame.mask
        return witnesses(self.frame, mask(self.outer), mask(self.inner), *self.effect)

    @property
    def confounders(self) -> tuple[tuple[str, str], ...]:
        """The bidirected edges of the outer forest."""
        graph, mask = self.frame.graph, self.frame.mask(self.outer)
        return tuple(
            (self.frame.names[a], self.frame.names[b])
            for b in bits(mask)
            for a in bits(graph.sp[b] & mask & ((1 << b) - 1))
        )

    def to_json(self) -> dict[str, object]:
        """The hedge for machines."""
        return {
            "outer": list(self.outer),
            "inner": list(self.inner),
            "roots": list(self.roots),
            "treatments": list(self.treatments),
            "confounders": [f"{a} <-> {b}" for a, b in self.confounders],
            "text": str(self),
        }

    def __str__(self) -> str:
        """The hedge as text."""
        shared = ", ".join(f"{a} <-> {b}" for a, b in self.confounders)
        return (
            f"{{{', '.join(self.outer)}}} over {{{', '.join(self.inner)}}}, rooted in {', '.join(self.roots)}: {shared}"
        )


@dataclass(frozen=True)
class Thicket:
    """Why several sources do not identify an effect: a district on the way to the outcome that none of them gives.

    Attributes:
        district: the district whose mechanisms no source shows.
        outer: the variables of all hedges that were met, the district's included.
        tried: each source that measures the district, with the outer set of the hedge met there.
    """

    district: tuple[str, ...]
    outer: tuple[str, ...]
    tried: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, setting: Setting, failure: Unreached) -> Thicket:
        """Name what the algorithm met."""
        named = setting.frame.named
        tried = tuple((source.name, named(problem.forest)) for source, problem in failure.hedges)
        return cls(named(failure.part), named(failure.outer), tried)

    def to_json(self) -> dict[str, object]:
        """The reason for machines."""
        sources = [{"source": name, "outer": list(outer)} for name, outer in self.tried]
        return {"district": list(self.district), "sources": sources, "text": str(self)}

    def __str__(self) -> str:
        """The reason as text."""
        text = f"no given distribution shows the mechanisms of {{{', '.join(self.district)}}}"
        return text + "".join(f"; {name} meets a hedge on {{{', '.join(outer)}}}" for name, outer in self.tried)
