"""Adjustment: which sets are valid, minimal, optimal, and the formula.

The criterion is complete (Shpitser, VanderWeele and Robins 2010; Perković et al. 2018): a set is valid in every model
of the diagram exactly if it holds nothing that a causal path's vertices lead to and separates treatments from
outcomes in the proper back-door graph. Sets are found as separators there (van der Zander, Liśkiewicz and Textor
2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Diagram, Frame, Names, apart
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.separation import separated
from causalcircuit.causal.separators import Cut
from causalcircuit.causal.steps import Claim, Trace
from causalcircuit.causal.terms import Product, Sum, Term, prob, product, total


@dataclass(frozen=True, slots=True)
class Backdoor:
    """An adjustment problem in numbers.

    Attributes:
        graph: the diagram.
        y: the outcomes.
        x: the treatments.
        causal: the vertices of proper causal paths, without the treatments.
        forbidden: what no valid set may hold.
        proper: the proper back-door graph, without the first arrow of each proper causal path.
        allowed: what a valid set may hold.
    """

    graph: Mixed
    y: int
    x: int
    causal: int
    forbidden: int
    proper: Mixed
    allowed: int

    @classmethod
    def of(cls, graph: Mixed, y: int, x: int, allowed: int | None = None) -> Backdoor:
        """The problem of P(y | do(x)), with sets out of `allowed`."""
        rest = graph.all & ~x
        first = 0
        for v in bits(x):
            first |= graph.ch[v]
        causal = graph.descendants(first & rest, rest) & graph.ancestors(y, rest)
        forbidden = graph.descendants(causal, graph.all) | x | y
        proper = Mixed(graph.n)
        proper.pa, proper.ch, proper.sp = graph.pa[:], graph.ch[:], graph.sp
        for v in bits(x):
            proper.ch[v] &= ~causal
        for v in bits(causal):
            proper.pa[v] &= ~x
        free = graph.all if allowed is None else allowed
        return cls(graph, y, x, causal, forbidden, proper, free & ~forbidden)

    def valid(self, z: int) -> bool:
        """Whether adjusting for `z` gives the effect in every model of the diagram."""
        return not z & self.forbidden and separated(self.proper, self.x, self.y, z)

    def cut(self) -> Cut:
        """The separators of the proper back-door graph."""
        return Cut(self.proper, self.x, self.y, self.allowed)

    def best(self) -> tuple[int, str] | None:
        """The valid set of smallest asymptotic variance, and among which sets it is that; None where no set is valid.

        Without bidirected edges, the parents of the causal vertices (Henckel, Perković and Maathuis 2022; Rotnitzky and
        Smucler 2020) are best of all. With them no set need be that; for one treatment, the minimal one nearest to the
        outcome is best of the minimal ones (Smucler, Sapienza and Rotnitzky 2022).
        """
        if not any(self.graph.sp):
            z = self.graph.parents(self.causal) & ~self.forbidden
            if not z & ~self.allowed and self.valid(z):
                return z, "all valid sets"
        cut = self.cut()
        return (cut.near_b(), "the minimal sets") if cut.possible else None

    def term(self, z: int) -> Term:
        """The adjustment formula."""
        return total(z, product([prob(self.y, self.x | z), prob(z)]))

    def derive(self, z: int, trace: Trace) -> None:
        """The steps to the adjustment formula."""
        y, x = self.y, self.x
        effect, found = prob(y, 0, x), self.term(z)
        if not z:
            trace.add("rule 2", effect, found, Claim(y, x, 0, 0, x), note="seeing it is setting it")
        elif z & self.graph.descendants(x, self.graph.all) or not separated(self.graph.mutilated(0, x), y, x, z):
            trace.add(
                "adjustment criterion", effect, found, note="the set is valid (Shpitser, VanderWeele and Robins 2010)"
            )
        else:
            split = Sum(z, Product((prob(y, z, x), prob(z, 0, x))))
            trace.add("total probability", effect, split, note="by the values of the set")
            trace.add(
                "rule 3", prob(z, 0, x), prob(z), Claim(z, x, 0, x), note="the treatment changes nothing of the set"
            )
            trace.add(
                "rule 2", prob(y, z, x), prob(y, z | x), Claim(y, x, z, 0, x), note="given the set, seeing is setting"
            )
            trace.add("substitution", effect, found)


def problem(diagram: Diagram, of: Names, do: Names, allowed: Names | None = None) -> tuple[Frame, Backdoor]:
    """The adjustment problem of named variables.

    Raises:
        DiagnosticError: CQ832 an unknown or latent variable, CQ833 a treatment that is an outcome.
    """
    frame = diagram.frame
    y, x = frame.mask(of, "observed variable"), frame.mask(do, "observed variable")
    apart(frame, y, x)
    return frame, Backdoor.of(frame.graph, y, x, None if allowed is None else frame.mask(allowed, "observed variable"))


def is_adjustment_set(diagram: Diagram, of: Names, do: Names, z: Names) -> bool:
    """Whether adjusting for `z` gives P(of | do(do)) in every model of the diagram."""
    frame, found = problem(diagram, of, do)
    mask = frame.mask(z, "observed variable")
    apart(frame, found.x, found.y, mask)
    return found.valid(mask)


def adjustment_sets(
    diagram: Diagram, of: Names, do: Names, allowed: Names | None = None, limit: int = 1000
) -> tuple[tuple[str, ...], ...]:
    """The minimal valid adjustment sets, smallest first, at most `limit`; none where no set is valid."""
    frame, found = problem(diagram, of, do, allowed)
    sets: Iterator[int] = islice(found.cut().minimal(), limit)
    return tuple(frame.named(z) for z in sorted(sets, key=lambda z: (z.bit_count(), z)))


def optimal_adjustment_set(
    diagram: Diagram, of: Names, do: Names, allowed: Names | None = None
) -> tuple[str, ...] | None:
    """The valid set that estimates most precisely, of all sets or of the minimal ones (`Backdoor.best`)."""
    frame, found = problem(diagram, of, do, allowed)
    best = found.best()
    return None if best is None else frame.named(best[0])
