"""Joint distributions that the ID algorithm carries along, each as a term: none is ever looked up by name."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.bits import before, bits
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.terms import ONE, Term, prob, product, ratio, total


@dataclass(frozen=True, slots=True)
class Observed:
    """P(within | do(do)): a distribution that is given, Markov to the subgraph on `within`."""

    graph: Mixed
    within: int
    do: int = 0
    population: str = ""

    def marginal(self, keep: int) -> Observed:
        """The distribution of an ancestral part."""
        return Observed(self.graph, keep, self.do, self.population)

    def of(self, y: int) -> Term:
        """P(y | do(do)) as a term."""
        return prob(y, 0, self.do, self.population)

    def conditionals(self, part: int) -> list[Term]:
        """P(v | all before v) for each member of `part`.

        Of all before v, only the district of v among them and that district's parents matter (Tian and Pearl 2002):
        the rest is left out of the condition.
        """
        found = []
        for v in bits(part):
            earlier = self.within & before(v)
            district = self.graph.district(v, earlier | 1 << v)
            pillow = (district | self.graph.parents(district)) & earlier
            found.append(prob(1 << v, pillow, self.do, self.population))
        return found

    def kernel(self, part: int) -> Kernel:
        """The c-factor of a district."""
        return Kernel(product(self.conditionals(part)), part)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A distribution of `within` that was derived: a term whose other free variables are set."""

    joint: Term
    within: int

    def marginal(self, keep: int) -> Kernel:
        """The distribution of some of its variables."""
        return Kernel(total(self.within & ~keep, self.joint), keep)

    def of(self, y: int) -> Term:
        """The distribution of `y` as a term."""
        return total(self.within & ~y, self.joint)

    def conditionals(self, part: int) -> list[Term]:
        """The distribution of each member of `part` given all before it."""
        found: list[Term] = []
        last, upto = self.joint, self.within
        for v in reversed(list(bits(self.within))):
            upto &= ~(1 << v)
            shorter = total(1 << v, last) if upto else ONE
            if part >> v & 1:
                found.append(ratio(last, shorter))
            last = shorter
        return found[::-1]

    def kernel(self, part: int) -> Kernel:
        """The c-factor of a district."""
        return Kernel(product(self.conditionals(part)), part)


Law = Observed | Kernel
