"""Two models that agree on everything observed and differ on an effect: the proof that it is not identified.

The construction of Shpitser and Pearl (AAAI 2006, Theorem 4), with three additions. A coin of probability 1/4 at one
root makes every cell of the observed distribution possible, so that the proof does not lean on impossible cells.
Where a path from a root to the outcome runs through the hedge itself, a vertex carries a second bit. And where a
hedge leads to a condition only, what the condition shows is mixed with a noisy copy of the whole diagram, so that it
bears on the outcome.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from causalcircuit.causal.bits import before, bits
from causalcircuit.causal.diagram import Frame
from causalcircuit.causal.mixed import Mixed

_ATTEMPTS = 40
_VISIBLE = 1e-5


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

    def law(self, do: Mapping[str, int] | None = None, of: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
        """The joint distribution of `of`, by default of all variables, where some are set; exact up to rounding.

        The axes are in the order of `names`. Only the bits of `of` cost memory, not those of the others.
        """
        rows: list[list[tuple[int, int]]] = []  # of each bit: the coins in it, and its constant
        for name, equations in zip(self.names, self.bits, strict=True):
            own = []
            for k, bit in enumerate(equations):
                if do and name in do:
                    own.append((0, do[name] >> k & 1))
                    continue
                heads, constant = 0, 0
                for coin in bit.coins:
                    heads ^= 1 << coin
                for parent, which in bit.parents:
                    heads ^= rows[parent][which][0]
                    constant ^= rows[parent][which][1]
                own.append((heads, constant))
            rows.append(own)
        kept = [i for i, name in enumerate(self.names) if of is None or name in of]
        flat = [row for i in kept for row in reversed(rows[i])]
        return _parities(flat, self.coins).reshape([self.sizes[i] for i in kept])


def _parities(rows: list[tuple[int, int]], coins: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """The joint distribution of bits, each the parity of some coins and a constant; the last one varies fastest.

    The expected sign of a sum of bits is the product of the expected signs of the coins that are left in it; the
    distribution is the Walsh transform of these.
    """
    held = np.zeros(1, dtype=np.int64)
    turned = np.zeros(1, dtype=np.int64)
    for heads, constant in reversed(rows):
        held = np.concatenate([held, held ^ heads])
        turned = np.concatenate([turned, turned ^ constant])
    signs = 1.0 - 2.0 * turned
    for i, heads_up in enumerate(coins):
        signs *= np.where(held >> i & 1, 1 - 2 * heads_up, 1.0)
    cells = signs.reshape((2,) * len(rows))
    for axis in range(len(rows)):
        first, second = np.take(cells, 0, axis), np.take(cells, 1, axis)
        cells = np.stack([first + second, first - second], axis)
    return cells / cells.size


def witnesses(frame: Frame, outer: int, inner: int, y: int, x: int, z: int = 0) -> tuple[Witness, Witness]:
    """The two models for a hedge: in the first the treatments reach the inner forest, in the second they do not.

    They differ on P(y | do(x)), or with conditions that rule 2 cannot set, on P(y | do(x), z).
    """
    for attempt in range(_ATTEMPTS if z else 1):
        # A bit that runs along two ways into one variable cancels there: then the copy is thinned.
        draw = random.Random(attempt)  # noqa: S311
        one, two = _pair(frame, outer, inner, (y, x, z), partial(_kept, draw, attempt))
        if not z or _gap(one, two, (y, x, z)) > _VISIBLE:
            break
    return one, two


def _kept(draw: random.Random, attempt: int) -> bool:
    """Whether an edge of the copy is kept: all of them at first."""
    return not attempt or draw.random() < 0.6


def _gap(one: Witness, two: Witness, effect: tuple[int, int, int]) -> float:
    """How far two models are apart on P(y | do(x), z) at x = 0; the other values of x only swap cells."""
    y, x, z = effect
    do = {one.names[v]: 0 for v in bits(x)}
    read = [v for v in range(len(one.names)) if (y | z) >> v & 1]
    outcomes = tuple(i for i, v in enumerate(read) if y >> v & 1)
    found = []
    for model in (one, two):
        both = model.law(do, [one.names[v] for v in read])
        found.append(both / both.sum(axis=outcomes, keepdims=True))
    return float(np.abs(found[0] - found[1]).max())


def _pair(
    frame: Frame, outer: int, inner: int, effect: tuple[int, int, int], kept: Callable[[], bool]
) -> tuple[Witness, Witness]:
    """The models, with those edges of the noisy copy that are kept."""
    y, x, z = effect
    graph = frame.graph
    roots = sum(1 << v for v in bits(inner) if not graph.ch[v] & inner)
    below = _forest(graph, outer, inner, roots)
    tree = _tree(graph, outer, inner)
    onward, carriers, mixed = _ways(graph, roots, y, x, z)
    coins = [0.5] * len(tree) + [0.25]
    noisy = (roots & -roots).bit_length() - 1

    def tossed(heads: float) -> int:
        coins.append(heads)
        return len(coins) - 1

    noise = {v: tossed(0.25) for v in bits(carriers)}
    alone = {v: tossed(0.5) for v in range(graph.n) if not mixed and not (outer | carriers) >> v & 1}
    own = {v: tossed(0.2) for v in range(graph.n) if mixed}
    arcs = {(a, b): tossed(0.2) for b in own for a in bits(graph.sp[b] & before(b)) if kept()}
    copied = {v: [p for p in bits(graph.pa[v]) if kept()] for v in own}
    models = []
    for cut in (False, True):
        equations: list[tuple[Bit, ...]] = []
        for v in range(graph.n):
            made: list[Bit] = []
            ends = mixed >> v & 1
            if outer >> v & 1:
                ignored = outer & ~inner if cut and inner >> v & 1 else 0
                flips = [i for i, edge in enumerate(tree) if edge >> v & 1 and not edge & ignored]
                flips += [len(tree)] * (v == noisy)
                made.append(Bit(tuple(flips), tuple((p, 0) for p in bits(outer & ~ignored) if below.get(p) == v)))
            if carriers >> v & 1:
                sources = [p for p in bits(roots | carriers) if onward.get(p) == v]
                sent = [(p, 0) for p in sources if roots >> p & 1]
                sent += [(p, 1 if outer >> p & 1 else 0) for p in sources if carriers >> p & 1]
                made.append(Bit((noise[v],), tuple(sent)))
            if v in alone:
                made.append(Bit((alone[v],)))
            if v in own:
                shared = [coin for edge, coin in arcs.items() if v in edge]
                plain = Bit((own[v], *shared), tuple((p, len(equations[p]) - 1) for p in copied[v]))
                # Where a way ends in a condition, its bit shows only mixed with what ties the condition to the outcome.
                last = made.pop() if ends and made else Bit(())
                made.append(Bit(last.coins + plain.coins, last.parents + plain.parents))
            equations.append(tuple(made))
        models.append(Witness(frame.names, tuple(coins), tuple(equations)))
    return models[0], models[1]


def _forest(graph: Mixed, outer: int, inner: int, roots: int) -> dict[int, int]:
    """The one child of each vertex but the roots: inside `inner`, or on a shortest way to it."""
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


def _ways(graph: Mixed, roots: int, y: int, x: int, z: int) -> tuple[dict[int, int], int, int]:
    """Ways from the roots to what is read: each vertex's next one, all behind the roots, the conditions they end in.

    If every root reaches an outcome past no condition, the conditions stay out of it.
    """
    straight = _nearer(graph, graph.ancestors(y, graph.all & ~(x | z)), y)
    if all(v in straight or y >> v & 1 for v in bits(roots)):
        used, behind = _carriers(straight, roots)
        return used, behind, 0
    used, behind = _carriers(_nearer(graph, graph.ancestors(y | z, graph.all & ~x), y | z), roots)
    return used, behind, z & (roots | behind)


def _carriers(onward: dict[int, int], roots: int) -> tuple[dict[int, int], int]:
    """The part of the ways that starts at the roots, and the vertices on it behind them."""
    used: dict[int, int] = {}
    for root in bits(roots):
        v = root
        while v in onward and v not in used:
            used[v] = onward[v]
            v = onward[v]
    return used, sum({1 << v for v in used.values()})
