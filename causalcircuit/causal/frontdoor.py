"""Front-door sets: mediators of the whole effect that nothing unmeasured ties to treatment or outcome.

M is a front-door set (Pearl 1995) if it meets every directed path from treatments to outcomes, no back-door path
leads from the treatments to it, and the treatments block every back-door path from it to the outcomes. Larger sets
cut more paths: a vertex that fails in the largest candidate fails in all, so the largest set is found by discarding,
and every set by asking, with some vertices demanded and some excluded, whether a set is left (the same task as in
Jeong, Tian and Bareinboim 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Diagram, Names, apart
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.separation import connected, separated
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Product, Sum, Term, prob, product, total


@dataclass(frozen=True, slots=True)
class Frontdoor:
    """A front-door problem in numbers; `free` are the vertices that no back-door path joins to the treatments."""

    graph: Mixed
    y: int
    x: int
    free: int

    @classmethod
    def of(cls, graph: Mixed, y: int, x: int, allowed: int | None = None) -> Frontdoor:
        """The problem of P(y | do(x)), with sets out of `allowed`."""
        cut = graph.mutilated(0, x)
        candidates = (graph.all if allowed is None else allowed) & ~(x | y)
        return cls(graph, y, x, candidates & ~connected(cut, x))

    def largest(self, allowed: int) -> int | None:
        """The largest front-door set within `allowed`; None where there is none."""
        m = self.free & allowed
        while True:
            cut = self.graph.mutilated(0, m)
            bad = m & connected(cut, self.y, self.x)
            if not bad:
                return m if self.meets(m) else None
            m &= ~bad

    def meets(self, m: int) -> bool:
        """Whether every directed path from treatments to outcomes goes through `m`."""
        return not self.graph.descendants(self.x, self.graph.all & ~m) & self.y

    def valid(self, m: int) -> bool:
        """Whether `m` is a front-door set."""
        return not m & ~self.free and self.meets(m) and separated(self.graph.mutilated(0, m), m, self.y, self.x)

    def sets(self) -> Iterator[int]:
        """Every front-door set, each once, with one question or two between one and the next."""
        yield from self._sets(0, self.free)

    def _sets(self, demanded: int, allowed: int) -> Iterator[int]:
        largest = self.largest(allowed)
        if largest is None or demanded & ~largest:
            return
        open_ = largest & ~demanded
        if not open_:
            yield largest
            return
        last = 1 << (open_.bit_length() - 1)
        yield from self._sets(demanded, largest & ~last)
        yield from self._sets(demanded | last, largest)

    def smallest(self) -> int | None:
        """A front-door set of which no member can be left out alone; None where there is none."""
        found = self.largest(self.free)
        if found is None:
            return None
        for v in reversed(list(bits(found))):
            smaller = self.largest(found & ~(1 << v))
            if smaller is not None:
                found = smaller
        return found

    def term(self, m: int) -> Term:
        """The front-door formula."""
        inner = total(self.x, product([prob(self.x), prob(self.y, self.x | m)]))
        return total(m, product([prob(m, self.x), inner]))

    def derive(self, m: int, trace: Trace) -> None:
        """The steps to the front-door formula."""
        y, x = self.y, self.x
        effect, found = prob(y, 0, x), self.term(m)
        if not m:
            trace.add("rule 3", effect, prob(y), Claim(y, x, 0, x), note="no path leads to the outcome")
            return
        trace.add("total probability", effect, Sum(m, Product((prob(y, m, x), prob(m, 0, x)))), note="by the mediators")
        trace.add("rule 2", prob(m, 0, x), prob(m, x), Claim(m, x, 0, 0, x), note="no back door leads to the mediators")
        trace.add(
            "rule 2",
            prob(y, m, x),
            prob(y, 0, x | m),
            Claim(y, m, x, x, m),
            note="seeing the mediators is setting them",
        )
        trace.add(
            "rule 3", prob(y, 0, x | m), prob(y, 0, m), Claim(y, x, m, x | m), note="the mediators are the only way"
        )
        mixed = Sum(x, Product((prob(y, x, m), prob(x, 0, m))))
        trace.add("total probability", prob(y, 0, m), mixed, note="by the treatment")
        trace.add(
            "rule 2", prob(y, x, m), prob(y, x | m), Claim(y, m, x, 0, m), note="the treatment blocks every back door"
        )
        trace.add("rule 3", prob(x, 0, m), prob(x), Claim(x, m, 0, m), note="effects do not change their causes")
        trace.add("substitution", effect, found)


def frontdoor_sets(
    diagram: Diagram, of: Names, do: Names, allowed: Names | None = None, limit: int = 1000
) -> tuple[tuple[str, ...], ...]:
    """The front-door sets for P(of | do(do)), smallest first, at most `limit`.

    Raises:
        DiagnosticError: CQ832 an unknown or latent variable, CQ833 a treatment that is an outcome.
    """
    frame = diagram.frame
    y, x = frame.mask(of, "observed variable"), frame.mask(do, "observed variable")
    apart(frame, y, x)
    found = Frontdoor.of(frame.graph, y, x, None if allowed is None else frame.mask(allowed, "observed variable"))
    sets = islice(found.sets(), limit)
    return tuple(frame.named(m) for m in sorted(sets, key=lambda m: (m.bit_count(), m)))
