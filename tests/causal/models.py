"""The truth by enumeration: random discrete models with latents, and graphs for them. No code of the room is used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Drawn:
    """A graph on 0 … n−1 in topological order."""

    n: int
    directed: Edges
    bidirected: Edges


def graphs(n: int) -> Iterator[Drawn]:
    """Every ADMG on n vertices in this order: each pair has an arrow or not, a bidirected edge or not."""
    pairs = list(itertools.combinations(range(n), 2))
    for kinds in itertools.product(range(4), repeat=len(pairs)):
        yield Drawn(
            n,
            tuple(p for p, kind in zip(pairs, kinds, strict=True) if kind & 1),
            tuple(p for p, kind in zip(pairs, kinds, strict=True) if kind & 2),
        )


def random_graph(rng: np.random.Generator, n: int, arrows: float, arcs: float) -> Drawn:
    pairs = list(itertools.combinations(range(n), 2))
    return Drawn(
        n,
        tuple(p for p in pairs if rng.random() < arrows),
        tuple(p for p in pairs if rng.random() < arcs),
    )


@dataclass
class Model:
    """Random positive tables on a graph; every bidirected edge is a latent with `levels` values."""

    graph: Drawn
    rng: np.random.Generator
    size: int = 2
    levels: int = 2
    mechanisms: list[tuple[np.ndarray, list[int]]] = field(default_factory=list)
    latents: list[np.ndarray] = field(default_factory=list)
    known: dict[frozenset[int], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.graph.n
        self.latents = [self.rng.dirichlet(np.ones(self.levels)) for _ in self.graph.bidirected]
        for v in range(n):
            self.mechanisms.append(self.mechanism(v))

    def mechanism(self, v: int) -> tuple[np.ndarray, list[int]]:
        n = self.graph.n
        parents = [a for a, b in self.graph.directed if b == v]
        hidden = [n + i for i, edge in enumerate(self.graph.bidirected) if v in edge]
        shape = [self.size] * len(parents) + [self.levels] * len(hidden)
        table = self.rng.dirichlet(np.full(self.size, 0.7), size=shape) * 0.96 + 0.04 / self.size
        return table, [*parents, *hidden, v]

    def law(self, do: frozenset[int] = frozenset()) -> np.ndarray:
        """P(rest | do) at every value of everything: one axis a variable, those of `do` included."""
        if do not in self.known:
            n = self.graph.n
            parts: list[object] = []
            for i, weights in enumerate(self.latents):
                parts += [weights, [n + i]]
            for v, (table, axes) in enumerate(self.mechanisms):
                parts += [np.ones(self.size), [v]] if v in do else [table, axes]
            self.known[do] = np.einsum(*parts, list(range(n)), optimize="greedy")
        return self.known[do]

    def effect(self, y: set[int], x: set[int], z: frozenset[int] | set[int] = frozenset()) -> np.ndarray:
        """P(y | do(x), z) with n axes, of length 1 where a variable is in none of the three."""
        law = self.law(frozenset(x))
        rest = tuple(v for v in range(self.graph.n) if v not in y | x | z)
        both = law.sum(axis=rest, keepdims=True)
        return both / both.sum(axis=tuple(y), keepdims=True) if z else both
