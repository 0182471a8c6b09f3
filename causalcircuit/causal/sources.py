"""What is given: distributions of one or several populations, observed or under experiments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Diagram, Frame, Names, names_of, project
from causalcircuit.causal.mixed import Mixed
from causalcircuit.diagnostics import did_you_mean, error


@dataclass(frozen=True)
class Given:
    """P(of | do(do)) of a population, known for every value of what is set; no population is the one asked about."""

    of: tuple[str, ...]
    do: tuple[str, ...] = ()
    population: str = ""

    def __str__(self) -> str:
        """The distribution as text."""
        mark = f"P[{self.population}]" if self.population else "P"
        return f"{mark}({', '.join(self.of)}{' | do(' + ', '.join(self.do) + ')' if self.do else ''})"


def given(of: Names, do: Names = (), population: str = "") -> Given:
    """A distribution that is known: `given(["B", "Y"], do="A")` is P(B, Y | do(A)) at every value of A."""
    return Given(names_of(of), names_of(do), population)


@dataclass(frozen=True, slots=True)
class Source:
    """A given distribution in numbers; `root` is the vertex of its population, or −1 for the one asked about."""

    measured: int
    do: int
    population: str
    root: int
    name: str

    def differs(self, graph: Mixed) -> int:
        """The variables whose mechanism is another one there."""
        return graph.ch[self.root] if self.root >= 0 else 0


@dataclass(frozen=True, slots=True)
class Setting:
    """A question's diagram and sources in numbers.

    Attributes:
        frame: the diagram of all that some source measures or sets, and of the question's own variables.
        graph: its graph, with a root for each population behind the variables.
        sources: the given distributions, the simplest first.
        complete: whether a failure proves that nothing else would do: each source measures all that it does not set.
    """

    frame: Frame
    graph: Mixed
    sources: tuple[Source, ...]
    complete: bool

    @property
    def all(self) -> int:
        """Every variable."""
        return self.frame.graph.all


def setting(diagram: Diagram, asked: Iterable[str], distributions: Iterable[Given]) -> Setting:
    """Number the variables of a diagram and of the distributions that are given of it.

    Raises:
        DiagnosticError: CQ832 an unknown variable, CQ835 a distribution of no variables, of latents, or with a
            variable that is both set and measured, CQ836 an unknown population.
    """
    found = tuple(distributions)
    names: dict[str, None] = dict.fromkeys(asked)
    for one in found:
        _check(diagram, one)
        names.update(dict.fromkeys((*one.of, *one.do)))
    frame = project(diagram.full, diagram.full.mask(names))
    n = frame.graph.n
    populations = list(frame.differs)
    graph = Mixed(n + len(populations))
    graph.pa[:n], graph.ch[:n], graph.sp[:n] = frame.graph.pa, frame.graph.ch, frame.graph.sp
    for i, population in enumerate(populations):
        for v in bits(frame.differs[population]):
            graph.pa[v] |= 1 << (n + i)
            graph.ch[n + i] |= 1 << v
    sources = [
        Source(
            frame.mask(one.of),
            frame.mask(one.do),
            one.population,
            n + populations.index(one.population) if one.population in populations else -1,
            str(one),
        )
        for one in found
    ]
    sources.sort(key=lambda s: (s.root >= 0, s.do.bit_count()))
    full = [s for s in sources if s.measured | s.do == frame.graph.all]
    implied = all(any(_holds(f, s) for f in full) for s in sources)
    return Setting(frame, graph, tuple(sources), implied)


def _holds(one: Source, other: Source) -> bool:
    """Whether the second distribution is a marginal of the first."""
    return one.do == other.do and one.population == other.population and not other.measured & ~one.measured


def _check(diagram: Diagram, one: Given) -> None:
    for name in (*one.of, *one.do):
        if name not in diagram.vertices:
            help_line = did_you_mean(name, diagram.vertices)
            raise error("CQ832", f"`{one}` speaks of `{name}`, which the diagram does not have", help=help_line)
        if name in diagram.latents:
            raise error("CQ835", f"`{one}` measures the latent `{name}`", help="leave it out, or do not call it latent")
    if not one.of:
        raise error("CQ835", f"`{one}` is a distribution of nothing", help="name what is measured")
    both = set(one.of) & set(one.do)
    if both:
        named = ", ".join(f"`{name}`" for name in sorted(both))
        raise error("CQ835", f"`{one}` both sets and measures {named}", help="name what is set only behind `do`")
    known = {population for population, _ in diagram.selections}
    if one.population and one.population not in known:
        raise error(
            "CQ836",
            f"the diagram says nothing of a population `{one.population}`",
            help=(
                did_you_mean(one.population, known),
                "say where it differs, or give its distributions as those asked about",
            ),
        )
