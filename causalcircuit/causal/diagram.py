"""Causal diagrams over names: arrows, bidirected edges, latents, and where populations differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush

from causalcircuit.causal.bits import bits
from causalcircuit.causal.mixed import Mixed
from causalcircuit.diagnostics import did_you_mean, error

Names = str | Iterable[str]


def names_of(names: Names) -> tuple[str, ...]:
    """One name or several, each once, in the order given."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Frame:
    """A diagram with numbers for names: what the algorithms see, and the way back.

    Attributes:
        names: the vertices in a topological order; a vertex's number is its place here.
        graph: the edges.
        observed: the vertices that are not latent.
        differs: for each population, the vertices whose mechanism differs there.
    """

    names: tuple[str, ...]
    graph: Mixed
    observed: int
    differs: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each name."""
        return {name: i for i, name in enumerate(self.names)}

    def mask(self, names: Names, what: str = "variable") -> int:
        """The set of some names.

        Raises:
            DiagnosticError: CQ832, a name that the diagram does not have.
        """
        found = 0
        for name in names_of(names):
            if name not in self.index:
                raise error("CQ832", f"the diagram has no {what} `{name}`", help=did_you_mean(name, sorted(self.index)))
            found |= 1 << self.index[name]
        return found

    def named(self, mask: int) -> tuple[str, ...]:
        """The names of a set, causes first."""
        return tuple(self.names[i] for i in bits(mask))


@dataclass(frozen=True)
class Diagram:
    """An acyclic directed mixed graph over names.

    `A -> B`: A is a direct cause of B. `A <-> B`: both share a cause that is not in the diagram. A latent is in the
    diagram and never measured. A selection says of a population that the mechanism of a variable there differs from
    the population asked about.

    Attributes:
        vertices: every name, in the order of their first mention.
        directed: the arrows, as (cause, effect).
        bidirected: pairs with an unmeasured common cause, each pair in alphabetical order.
        latents: vertices that are never measured.
        selections: (population, variable): the variable's mechanism differs in that population.

    Raises:
        DiagnosticError: CQ830 a cycle, CQ831 an edge from a vertex to itself, CQ832 a latent or a population's variable
            that it does not have.
    """

    vertices: tuple[str, ...]
    directed: tuple[tuple[str, str], ...] = ()
    bidirected: tuple[tuple[str, str], ...] = ()
    latents: frozenset[str] = frozenset()
    selections: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check the edges and bring them into one order."""
        edges = [*self.directed, *self.bidirected]
        found = tuple(dict.fromkeys((*self.vertices, *(v for edge in edges for v in edge))))
        for a, b in edges:
            if a == b:
                raise error("CQ831", f"`{a}` has an edge to itself", help="remove it: no variable causes itself")
        object.__setattr__(self, "vertices", found)
        object.__setattr__(self, "directed", tuple(dict.fromkeys(self.directed)))
        object.__setattr__(self, "bidirected", tuple(dict.fromkeys((min(p), max(p)) for p in self.bidirected)))
        object.__setattr__(self, "latents", frozenset(self.latents))
        object.__setattr__(self, "selections", tuple(dict.fromkeys(self.selections)))
        for name in (*self.latents, *(v for _, v in self.selections)):
            if name not in found:
                raise error("CQ832", f"the diagram has no variable `{name}`", help=did_you_mean(name, found))
        _ = self.full

    @classmethod
    def read(cls, text: str) -> Diagram:
        """Read `"X -> M, M -> Y, X <-> Y"`, a DOT `digraph { … }` or a dagitty `dag { … }`.

        Raises:
            DiagnosticError: CQ834, a text that is none of these, and what the diagram itself raises.
        """
        from causalcircuit.causal.reading import read

        return read(text)

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """The vertices that are not latent."""
        return tuple(v for v in self.vertices if v not in self.latents)

    @cached_property
    def full(self) -> Frame:
        """The diagram with its latents, in numbers."""
        names = _ordered(self.vertices, self.directed)
        at = {name: i for i, name in enumerate(names)}
        graph = Mixed(
            len(names), [(at[a], at[b]) for a, b in self.directed], [(at[a], at[b]) for a, b in self.bidirected]
        )
        observed = sum(1 << at[v] for v in self.observed)
        differs: dict[str, int] = {}
        for population, name in self.selections:
            differs[population] = differs.get(population, 0) | 1 << at[name]
        return Frame(names, graph, observed, differs)

    @cached_property
    def frame(self) -> Frame:
        """The latent projection onto the observed variables, in numbers."""
        return project(self.full, self.full.observed)

    def projected(self, keep: Names) -> Diagram:
        """The latent projection: the diagram of some of its variables, all others unobserved.

        Two of them get an arrow for a directed path through the others, and `<->` for a common cause among them.
        """
        found = project(self.full, self.full.mask(keep))
        return Diagram(
            tuple(v for v in self.vertices if v in found.index),
            tuple((found.names[p], found.names[v]) for v in range(found.graph.n) for p in bits(found.graph.pa[v])),
            tuple((found.names[s], found.names[v]) for v in range(found.graph.n) for s in bits(found.graph.sp[v])),
            self.latents & set(found.names),
            tuple((p, name) for p, mask in found.differs.items() for name in found.named(mask)),
        )

    def separated(self, a: Names, b: Names, given: Names = ()) -> bool:
        """Whether the diagram implies that `a` and `b` are independent given `given` (m-separation).

        Raises:
            DiagnosticError: CQ832 an unknown variable, CQ833 one that stands on two sides.
        """
        from causalcircuit.causal.separation import separated

        sets = [self.full.mask(side) for side in (a, b, given)]
        apart(self.full, sets[0], sets[1], sets[2])
        return separated(self.full.graph, *sets)

    def ancestors(self, of: Names) -> tuple[str, ...]:
        """`of` and all their causes."""
        return self.full.named(self.full.graph.ancestors(self.full.mask(of), self.full.graph.all))

    def descendants(self, of: Names) -> tuple[str, ...]:
        """`of` and all that they cause."""
        return self.full.named(self.full.graph.descendants(self.full.mask(of), self.full.graph.all))

    def districts(self) -> tuple[tuple[str, ...], ...]:
        """The observed variables in groups that bidirected edges of the latent projection join (c-components)."""
        return tuple(self.frame.named(one) for one in self.frame.graph.districts(self.frame.graph.all))

    def __str__(self) -> str:
        """The diagram as `X -> M, M -> Y, X <-> Y`, lone vertices last."""
        edges = [f"{a} -> {b}" for a, b in self.directed] + [f"{a} <-> {b}" for a, b in self.bidirected]
        touched = {v for edge in (*self.directed, *self.bidirected) for v in edge}
        return ", ".join([*edges, *(v for v in self.vertices if v not in touched)])


def apart(frame: Frame, *sides: int) -> None:
    """Demand that no variable stands on two sides of a question.

    Raises:
        DiagnosticError: CQ833.
    """
    seen = 0
    for side in sides:
        if side & seen:
            both = " and ".join(f"`{name}`" for name in frame.named(side & seen))
            raise error(
                "CQ833",
                f"{both} stands on two sides of the question",
                help="a variable is an outcome, is set by `do`, or is conditioned on: name it once",
            )
        seen |= side


def project(frame: Frame, keep: int) -> Frame:
    """The latent projection of a frame onto some vertices, numbered anew."""
    n = frame.graph.n
    population = list(frame.differs)
    # A population is a root with arrows to what differs there: so a latent hands its difference on to its children.
    graph = Mixed(n + len(population))
    graph.pa[:n], graph.ch[:n], graph.sp[:n] = frame.graph.pa[:], frame.graph.ch[:], frame.graph.sp[:]
    for i, name in enumerate(population):
        for v in bits(frame.differs[name]):
            graph.pa[v] |= 1 << (n + i)
            graph.ch[n + i] |= 1 << v
    graph = graph.without(frame.graph.all & ~keep)
    kept = list(bits(keep))
    new = {old: i for i, old in enumerate(kept)}
    made = Mixed(
        len(kept),
        [(new[p], new[v]) for v in kept for p in bits(graph.pa[v] & keep)],
        [(new[s], new[v]) for v in kept for s in bits(graph.sp[v] & keep)],
    )
    return Frame(
        tuple(frame.names[v] for v in kept),
        made,
        sum(1 << new[v] for v in bits(frame.observed & keep)),
        {name: sum(1 << new[v] for v in bits(graph.ch[n + i] & keep)) for i, name in enumerate(population)},
    )


def _ordered(vertices: tuple[str, ...], directed: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """A topological order that keeps the order of mention where it can."""
    place = {v: i for i, v in enumerate(vertices)}
    waiting = [0] * len(vertices)
    after: list[list[int]] = [[] for _ in vertices]
    for a, b in directed:
        waiting[place[b]] += 1
        after[place[a]].append(place[b])
    ready = [i for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for j in after[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heappush(ready, j)
    if len(order) < len(vertices):
        raise error(
            "CQ830",
            f"the diagram has a cycle: {_loop(directed, {vertices[i] for i, count in enumerate(waiting) if count})}",
            help="causes come before effects: remove one of these arrows, or write `<->` for a shared cause",
        )
    return tuple(vertices[i] for i in order)


def _loop(directed: Iterable[tuple[str, str]], stuck: set[str]) -> str:
    """A cycle among vertices each of which still waits for a cause."""
    cause = {b: a for a, b in directed if a in stuck and b in stuck}
    walk = [min(v for v in stuck if v in cause)]
    while walk[-1] not in walk[:-1]:
        walk.append(cause[walk[-1]])
    return " -> ".join(reversed(walk[walk.index(walk[-1]) :]))
