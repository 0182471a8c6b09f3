"""What would identify an effect that is not: an experiment on another variable, or a measurement of a shared cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from causalcircuit.causal.diagram import Diagram
from causalcircuit.causal.estimand import Effect
from causalcircuit.causal.solving import obstacle
from causalcircuit.causal.sources import Given

_DEPTH = 3  # so many variables at most
_TRIES = 100  # questions asked for each kind of advice
_SHOWN = 4


@dataclass(frozen=True)
class Advice:
    """Something that would identify the effect.

    Attributes:
        kind: `intervene`, `measure`, or `observe`: distributions of other variables or of the population asked about.
        names: what to set, all of it at once, what to measure, or what to observe together; a shared cause without a
            name is `A <-> B`.
    """

    kind: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """The advice as a sentence."""
        listed = " and ".join(self.names)
        if self.kind == "intervene":
            return f"intervene on {listed}, and measure all others"
        if self.kind == "observe":
            return f"observe P({', '.join(self.names)}) in the population asked about"
        shared = all(" <-> " in name for name in self.names)
        return (
            f"measure what {listed} {'stands' if len(self.names) == 1 else 'stand'} for"
            if shared
            else f"measure {listed}"
        )

    def to_json(self) -> dict[str, object]:
        """The advice for machines."""
        return {"kind": self.kind, "names": list(self.names), "text": str(self)}


def advise(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> tuple[Advice, ...]:
    """The smallest experiments and measurements that would identify an effect.

    Args:
        diagram: the diagram.
        effect: what is not identified.
        given: what is given; None for all observed variables.
        hedged: where the search failed. What leaves that untouched cannot help, so each further variable is looked
            for where the search fails once the ones before it are chosen.
    """
    if given is not None:
        observed = tuple(v for v in diagram.observed if v in hedged or any((v, w) in diagram.directed for w in hedged))
        for names in dict.fromkeys((observed, diagram.observed)):
            if obstacle(diagram, effect, (*given, Given(names))) is None:
                return (Advice("observe", names),)
    return (*_interventions(diagram, effect, given, hedged), *_measurements(diagram, effect, given, hedged))


def _interventions(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> Iterator[Advice]:
    known = (Given(diagram.observed),) if given is None else given

    def able(where: tuple[str, ...]) -> list[str]:
        # An experiment on the treatments themselves always answers: it comes last.
        found = [v for v in where if v in diagram.observed and v not in (*effect.of, *effect.given)]
        return sorted(found, key=lambda v: v in effect.do)

    def left(chosen: tuple[str, ...]) -> tuple[str, ...] | None:
        rest = tuple(v for v in diagram.observed if v not in chosen)
        return obstacle(diagram, effect, (*known, Given(rest, chosen)))

    yield from (Advice("intervene", chosen) for chosen in _smallest(hedged, able, left))


def _measurements(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> Iterator[Advice]:
    explicit, shared = written_out(diagram)
    reach = {name: set(ends) for name, ends in shared.items()} | {v: _reached(diagram, v) for v in diagram.latents}
    labels = {name: f"{a} <-> {b}" for name, (a, b) in shared.items()}

    def able(where: tuple[str, ...]) -> list[str]:
        return sorted(name for name, ends in reach.items() if len(ends & set(where)) > 1)

    def left(chosen: tuple[str, ...]) -> tuple[str, ...] | None:
        seen = replace(explicit, latents=explicit.latents - set(chosen))
        widened = None if given is None else tuple(replace(one, of=(*one.of, *chosen)) for one in given)
        return obstacle(seen, effect, widened)

    for chosen in _smallest(hedged, able, left):
        yield Advice("measure", tuple(labels.get(name, name) for name in chosen))


def _smallest(
    hedged: tuple[str, ...],
    able: Callable[[tuple[str, ...]], list[str]],
    left: Callable[[tuple[str, ...]], tuple[str, ...] | None],
) -> list[tuple[str, ...]]:
    """The smallest choices after which nothing is left in the way, as far as a bounded search goes."""
    failing: dict[tuple[str, ...], tuple[str, ...]] = {(): hedged}
    tries = 0
    for _ in range(_DEPTH):
        found: list[tuple[str, ...]] = []
        further: dict[tuple[str, ...], tuple[str, ...]] = {}
        for chosen, where in failing.items():
            for name in able(where):
                more = (*chosen, name)
                if name in chosen or any(set(more) == set(other) for other in (*further, *found)):
                    continue
                tries += 1
                if tries > _TRIES or len(found) == _SHOWN:
                    return found
                rest = left(more)
                if rest is None:
                    found.append(more)
                else:
                    further[more] = rest
        if found:
            return found
        failing = further
    return []


def _reached(diagram: Diagram, latent: str) -> set[str]:
    """The observed variables that a latent reaches through latents alone."""
    found: set[str] = set()
    todo, seen = [latent], {latent}
    while todo:
        v = todo.pop()
        for a, b in diagram.directed:
            if a == v and b not in seen:
                seen.add(b)
                if b in diagram.latents:
                    todo.append(b)
                else:
                    found.add(b)
    return found


def written_out(diagram: Diagram) -> tuple[Diagram, dict[str, tuple[str, str]]]:
    """The diagram with each bidirected edge as a latent, and what each of these stands for."""
    shared: dict[str, tuple[str, str]] = {}
    for a, b in diagram.bidirected:
        name = f"U({a}, {b})"
        while name in diagram.vertices:
            name += "'"
        shared[name] = (a, b)
    arrows = tuple((name, end) for name, ends in shared.items() for end in ends)
    made = Diagram(
        (*diagram.vertices, *shared),
        (*diagram.directed, *arrows),
        (),
        diagram.latents | set(shared),
        diagram.selections,
    )
    return made, shared
