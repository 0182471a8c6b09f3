"""What would identify an effect that is not: an experiment on another variable, or a measurement of a shared cause."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from causalcircuit.causal.diagram import Diagram
from causalcircuit.causal.estimand import Effect
from causalcircuit.causal.solving import solvable
from causalcircuit.causal.sources import Given

_TRIES = 60  # questions asked for each kind of advice
_SHOWN = 4


@dataclass(frozen=True)
class Advice:
    """Something that would identify the effect.

    Attributes:
        kind: `intervene`, `measure`, or `observe`: distributions of other variables or of the population asked about.
        names: what to set, all of it at once, what to measure, or what to observe together; a shared cause without a name
            is `A <-> B`.
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
        return f"measure what {listed} {'stands' if len(self.names) == 1 else 'stand'} for" if shared else f"measure {listed}"

    def to_json(self) -> dict[str, object]:
        """The advice for machines."""
        return {"kind": self.kind, "names": list(self.names), "text": str(self)}


def advise(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> tuple[Advice, ...]:
    """The smallest experiments and measurements, of one or two variables, that would identify an effect.

    Args:
        diagram: the diagram.
        effect: what is not identified.
        given: what is given; None for all observed variables.
        hedged: where the failure sits; advice that leaves it untouched cannot help, and is not tried.
    """
    if given is not None:
        observed = tuple(v for v in diagram.observed if v in hedged or any((v, w) in diagram.directed for w in hedged))
        for names in dict.fromkeys((observed, diagram.observed)):
            if solvable(diagram, effect, (*given, Given(names))):
                return (Advice("observe", names),)
    return (*_interventions(diagram, effect, given, hedged), *_measurements(diagram, effect, given, hedged))


def _interventions(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> Iterator[Advice]:
    known = (Given(diagram.observed),) if given is None else given
    able = [v for v in hedged if v not in (*effect.of, *effect.given)]
    # An experiment on the treatments themselves always answers: it comes last.
    able.sort(key=lambda v: v in effect.do)

    def helps(chosen: tuple[str, ...]) -> bool:
        rest = tuple(v for v in diagram.observed if v not in chosen)
        return solvable(diagram, effect, (*known, Given(rest, chosen)))

    yield from (Advice("intervene", chosen) for chosen in _smallest(able, helps))


def _measurements(
    diagram: Diagram, effect: Effect, given: tuple[Given, ...] | None, hedged: tuple[str, ...]
) -> Iterator[Advice]:
    explicit, shared = written_out(diagram)
    inside = set(hedged)
    able = [name for name, (a, b) in shared.items() if a in inside and b in inside]
    able += [v for v in diagram.latents if len(inside & _reached(diagram, v)) > 1]
    labels = {name: f"{a} <-> {b}" for name, (a, b) in shared.items()}

    def helps(chosen: tuple[str, ...]) -> bool:
        seen = replace(explicit, latents=explicit.latents - set(chosen))
        widened = None if given is None else tuple(replace(one, of=(*one.of, *chosen)) for one in given)
        return solvable(seen, effect, widened)

    for chosen in _smallest(sorted(able), helps):
        yield Advice("measure", tuple(labels.get(name, name) for name in chosen))


def _smallest(able: list[str], helps: object) -> Iterator[tuple[str, ...]]:
    """Choices of one that help, else choices of two."""
    assert callable(helps)
    for size in (1, 2):
        tried = itertools.islice(itertools.combinations(able, size), _TRIES)
        found = list(itertools.islice((chosen for chosen in tried if helps(chosen)), _SHOWN))
        if found:
            yield from found
            return


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
