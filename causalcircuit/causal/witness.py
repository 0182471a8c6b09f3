"""Two models that agree on everything observed and differ on an effect: the proof that it is not identified.

The construction of Shpitser and Pearl (AAAI 2006, Theorem 4), with two additions. A coin of probability 1/4 at one root makes
every cell of the observed distribution possible, so that the proof does not lean on impossible cells. And where a path from
a root to the outcome runs through the hedge itself, a vertex carries a second bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Frame
from causalcircuit.causal.mixed import Mixed


@dataclass(frozen=True)
class Bit:
    """A bit of a variable: the parity of some coins and of some bits, (variable, which), of its parents."""

    coins: tuple[int, ...]
    parents: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Witness:
    """A structural model of bits. A variable of k bits has the values 0 … 2**k − 1.

    Attributes:
        names: the variables, causes first.
        coins: the probability of heads of each unmeasured coin.
        bits: the equations of each variable's bits.
    """

    names: tuple[str, ...]
    coins: tuple[float, ...]
    bits: tuple[tuple[Bit, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each variable has."""
        return tuple(2 ** len(b) for b in self.bits)

    def law(self, do: Mapping[str, int] | None = None) -> npt.NDArray[np.float64]:
        """The joint distribution of all variables where some are set: one axis a variable, exact up to rounding."""
        flips = np.array(list(itertools.product((0, 1), repeat=len(self.coins))), dtype=np.int64)
        flips = flips.reshape(-1, len(self.coins))
        heads = np.array(self.coins)
        weight = np.where(flips == 1, heads, 1 - heads).prod(axis=1)
        seen: list[list[npt.NDArray[np.int64]]] = []
        for name, equations in zip(self.names, self.bits, strict=True):
            if do and name in do:
                seen.append([np.full(len(flips), do[name] >> k & 1) for k in range(len(equations))])
                continue
            own = []
            for bit in equations:
                made = flips[:, list(bit.coins)].sum(axis=1)
                for parent, which in bit.parents:
                    made = made + seen[parent][which]
                own.append(made % 2)
            seen.append(own)
        cells = np.zeros(self.sizes)
        places = tuple(sum(b << k for k, b in enumerate(own)) for own in seen)
        np.add.at(cells, places, weight)
        return cells


def witnesses(frame: Frame, outer: int, inner: int, y: int, x: int) -> tuple[Witness, Witness]:
    """The two models for a hedge of P(y | do(x)): in the first the treatments reach the inner forest, in the second they do not."""
    graph = frame.graph
    roots = sum(1 << v for v in bits(inner) if not graph.ch[v] & inner)
    below = _forest(graph, outer, inner, roots)
    tree = _tree(graph, outer, inner)
    onward, carriers = _carriers(graph, roots, y, graph.ancestors(y, graph.all & ~x))
    coins = [0.5] * len(tree)
    coins += [0.25] * (1 + carriers.bit_count())
    noisy = (roots & -roots).bit_length() - 1
    noise = {v: len(tree) + 1 + i for i, v in enumerate(bits(carriers))}
    lone = [v for v in range(graph.n) if not (outer | carriers) >> v & 1]
    alone = {v: len(coins) + i for i, v in enumerate(lone)}
    coins += [0.5] * len(lone)
    models = []
    for cut in (False, True):
        equations = []
        for v in range(graph.n):
            if v in alone:
                equations.append((Bit((alone[v],)),))
                continue
            own = []
            if outer >> v & 1:
                ignored = outer & ~inner if cut and inner >> v & 1 else 0
                flips = [i for i, edge in enumerate(tree) if edge >> v & 1 and not edge & ignored]
                flips += [len(tree)] * (v == noisy)
                feeding = [p for p in bits(outer & ~ignored) if below.get(p) == v]
                own.append(Bit(tuple(flips), tuple((p, 0) for p in feeding)))
            if carriers >> v & 1:
                sources = [p for p in bits(roots | carriers) if onward.get(p) == v]
                sent = [(p, 0) for p in sources if roots >> p & 1]
                sent += [(p, 1 if outer >> p & 1 else 0) for p in sources if carriers >> p & 1]
                own.append(Bit((noise[v],), tuple(sent)))
            equations.append(tuple(own))
        models.append(Witness(frame.names, tuple(coins), tuple(equations)))
    return models[0], models[1]


def _forest(graph: Mixed, outer: int, inner: int, roots: int) -> dict[int, int]:
    """The one child of each vertex but the roots: inside `inner` for its members, on a shortest way to it for the others."""
    below = {v: (graph.ch[v] & inner).bit_length() - 1 for v in bits(inner & ~roots)}
    return below | _nearer(graph, outer, inner)


def _nearer(graph: Mixed, within: int, goal: int) -> dict[int, int]:
    """For each vertex of `within` that is not in `goal` and has a path into it, the next vertex of a shortest one."""
    onward: dict[int, int] = {}
    reached = goal
    while True:
        layer = {}
        for v in bits(within & ~reached):
            step = graph.ch[v] & reached
            if step:
                layer[v] = (step & -step).bit_length() - 1
        if not layer:
            return onward
        onward |= layer
        for v in layer:
            reached |= 1 << v


def _tree(graph: Mixed, outer: int, inner: int) -> list[int]:
    """Bidirected edges, as pairs of bits, that join `outer` into a tree of which the part in `inner` is a tree."""
    edges = []
    joined = inner & -inner
    for region in (inner, outer):
        grown = True
        while grown:
            grown = False
            for v in bits(region & ~joined):
                other = graph.sp[v] & joined
                if other:
                    edges.append(1 << v | (other & -other))
                    joined |= 1 << v
                    grown = True
    return edges


def _carriers(graph: Mixed, roots: int, y: int, within: int) -> tuple[dict[int, int], int]:
    """Shortest ways from the roots to the outcomes, and the vertices on them behind the roots."""
    onward = _nearer(graph, within, y)
    used: dict[int, int] = {}
    for root in bits(roots):
        v = root
        while v in onward and v not in used:
            used[v] = onward[v]
            v = onward[v]
    return used, sum({1 << v for v in used.values()})
