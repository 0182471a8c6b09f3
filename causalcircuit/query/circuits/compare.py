"""Two circuits beside each other: what they share, and whether they rank it alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from causalcircuit.query.circuit import Circuit, CircuitEdge, Score
from causalcircuit.query.circuits.sets import check_one_model, difference, intersection, wiring_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two circuits of one model have in common.

    Attributes:
        first, second: their names. shared: wires (or nodes) of both, with the scores of the first.
        only_first, only_second: the others.
        jaccard: shared wires as a part of all; `None` where both are empty.
        spearman: rank correlation of the scores of shared wires; `None` where fewer than 3 have two scores, or where
            one side does not vary. ranked: how many have two.
    """

    first: str
    second: str
    shared: Circuit
    only_first: Circuit
    only_second: Circuit
    jaccard: float | None
    spearman: float | None
    ranked: int

    def to_json(self) -> dict[str, Any]:
        """Plain data: counts, and the wires by their text."""
        return {
            "first": self.first,
            "second": self.second,
            "shared": items_text(self.shared),
            "only_first": items_text(self.only_first),
            "only_second": items_text(self.only_second),
            "jaccard": self.jaccard,
            "spearman": self.spearman,
            "ranked": self.ranked,
        }


def compare(first: Circuit, second: Circuit) -> Comparison:
    """Two circuits beside each other: their wires, or their nodes where neither has wires.

    Raises:
        DiagnosticError: CQ257, they are of two models.
    """
    check_one_model(first, second)
    shared = intersection(first, second)
    here, there = difference(first, second), difference(second, first)
    whole = not (first.edges or second.edges)
    counts = [len(_items(c, whole)) for c in (shared, here, there)]
    own, other = _items(first, whole), _items(second, whole)
    pairs = [(s.value, o.value) for key, s in own.items() if s is not None and (o := other.get(key)) is not None]
    jaccard = counts[0] / sum(counts) if sum(counts) else None
    return Comparison(first.name, second.name, shared, here, there, jaccard, _spearman(pairs), len(pairs))


def _items(c: Circuit, nodes: bool) -> dict[object, Score | None]:
    return {n.site: n.score for n in c.nodes} if nodes else {wiring_of(e): e.score for e in c.edges}


def items_text(c: Circuit) -> list[str]:
    """The wires of a circuit, or its scored nodes where it has no wires."""
    return [wire_text(e) for e in c.edges] or [f"{n.site.address.local} @ {n.site.position}" for n in c.nodes]


def wire_text(e: CircuitEdge) -> str:
    """`layer[0].head[2].out @ all -> layer[1].head[3].q @ all`; a wire to the readout ends in `readout`."""
    source = f"{e.source.address.local} @ {e.source.position}"
    return f"{source} -> " + ("readout" if e.target is None else f"{e.target.address.local} @ {e.target.position}")


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The correlation of ranks; equal values share the mean of theirs."""
    if len(pairs) < 3:
        return None
    a, b = (_ranks([p[i] for p in pairs]) for i in (0, 1))
    mean = (len(pairs) + 1) / 2
    products = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spread = [math.fsum((x - mean) ** 2 for x in ranks) for ranks in (a, b)]
    return None if min(spread) == 0 else max(-1.0, min(1.0, products / math.sqrt(spread[0] * spread[1])))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for i in order[start:end]:
            ranks[i] = (start + 1 + end) / 2
        start = end
    return ranks
