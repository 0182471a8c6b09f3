"""Sets that separate: one minimal set, the one nearest to a side, all minimal ones.

m-separation is vertex separation in the augmented graph of the ancestors. Vertices that may not be used are
eliminated from that undirected graph first (their neighbours become a clique), after which every vertex but the two
ends may be cut out. Sources: van der Zander, Liśkiewicz and Textor 2019; Berry, Bordat and Cogis 1999 for all minimal
separators.
"""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.causal.bits import bits
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.separation import blankets


class Cut:
    """The undirected graph in which separators of `a` and `b` out of `allowed` are plain vertex cuts."""

    def __init__(self, graph: Mixed, a: int, b: int, allowed: int) -> None:
        self.a, self.b = a, b
        within = graph.ancestors(a | b, graph.all)
        self.allowed = allowed & within & ~(a | b)
        cliques = blankets(graph, within)
        for v in bits(within & ~(self.allowed | a | b)):
            bit = 1 << v
            merged = 0
            for clique in cliques:
                if clique & bit:
                    merged |= clique
            cliques = [c for c in cliques if not c & bit] + [merged & ~bit]
        self.cliques = cliques

    def near(self, vertices: int) -> int:
        """The vertices and their neighbours."""
        found = vertices
        for clique in self.cliques:
            if clique & vertices:
                found |= clique
        return found

    def component(self, start: int, removed: int) -> int:
        """What is joined to `start` once `removed` is gone."""
        seen = start
        while True:
            grown = self.near(seen) & ~removed
            if grown | seen == seen:
                return seen
            seen |= grown

    @property
    def possible(self) -> bool:
        """Whether some set separates."""
        return not self.near(self.a) & self.b

    def nearest(self, side: int, other: int, removed: int) -> int:
        """The minimal separator within `removed` that is nearest to `side`; `removed` separates."""
        first = self.near(self.component(side, removed)) & removed
        return self.near(self.component(other, first)) & first

    def near_b(self) -> int:
        """The minimal separator nearest to `b`."""
        return self.nearest(self.b, self.a, self.near(self.b) & ~self.b)

    def near_a(self) -> int:
        """The minimal separator nearest to `a`."""
        return self.nearest(self.a, self.b, self.near(self.a) & ~self.a)

    def minimal(self) -> Iterator[int]:
        """Every minimal separator, each once, the one nearest to `a` first."""
        if not self.possible:
            return
        first = self.near_a()
        seen, todo = {first}, [first]
        while todo:
            one = todo.pop(0)
            yield one
            for v in bits(one):
                removed = one | self.near(1 << v)
                if removed & self.b:
                    continue
                far = self.component(self.b, removed & ~self.b)
                new = self.near(far) & ~far
                new = self.near(self.component(self.a, new)) & new
                if new not in seen:
                    seen.add(new)
                    todo.append(new)
