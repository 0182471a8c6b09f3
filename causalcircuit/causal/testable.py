"""The independences that a diagram implies: what data could refute."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.bits import before, bits
from causalcircuit.causal.diagram import Diagram
from causalcircuit.causal.separators import Cut


@dataclass(frozen=True)
class Independence:
    """`a` and `b` are independent given `given`."""

    a: str
    b: str
    given: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The statement as the language writes it."""
        return f"{self.a} _||_ {self.b}{' | ' + ', '.join(self.given) if self.given else ''}"


def independences(diagram: Diagram) -> tuple[Independence, ...]:
    """For every two observed variables that some observed set separates: one minimal such set, out of their causes."""
    graph, names = diagram.frame.graph, diagram.frame.names
    found = []
    for b in range(graph.n):
        for a in bits(before(b)):
            cut = Cut(graph, 1 << a, 1 << b, graph.all)
            if cut.possible:
                given = cut.near_b()
                found.append(Independence(names[a], names[b], tuple(names[v] for v in bits(given))))
    return tuple(found)
