"""How well scores agree with exact ones that are known of some wires only: the strongest, and others drawn at random.

The strongest k are all held, so they stand for themselves; each of the m drawn from the N - k others stands for
(N - k) / m. Sums over all N wires are estimated by weighted sums over those held (Horvitz & Thompson 1952), and
correlations by what these sums give. They have no intervals: those that were tried covered 9 to 96 of 100 truths, not
95 (docs/decisions/0028-trust.md). Recall is bounded without assuming how scores are spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from causalcircuit.attribution.summary import Floats
from causalcircuit.query.estimate import Interval

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which of N wires are patched exactly.

    Attributes:
        strongest: the numbers of the k strongest. others: of those drawn from the rest. count: N.
    """

    strongest: NDArray[np.intp]
    others: NDArray[np.intp]
    count: int

    @property
    def held(self) -> NDArray[np.intp]:
        """All of them, the strongest first."""
        return np.concatenate((self.strongest, self.others))

    @property
    def weights(self) -> Floats:
        """[held] how many wires each stands for."""
        k, m = len(self.strongest), len(self.others)
        return np.concatenate((np.ones(k), np.full(m, (self.count - k) / max(m, 1))))

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return len(self.strongest) + len(self.others) == self.count


def draw(order: NDArray[np.intp], k: int, m: int, seed: int) -> Drawn:
    """The first k of an order of all wires, and m of the others, without putting back."""
    rest = order[k:]
    m = min(m, len(rest))
    chosen = rest if m == len(rest) else np.random.default_rng([seed, 798]).choice(rest, m, replace=False)
    return Drawn(order[:k], np.sort(chosen), len(order))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of scores with exact ones.

    Attributes:
        pearson, spearman: over all N wires; `None` where one side does not vary. recall: of the k exactly strongest,
            the share among the k strongest by score; `None` without any. interval: of the recall, over the draw;
            `None` where all wires are held.
    """

    pearson: float | None
    spearman: float | None
    recall: float | None
    interval: Interval | None


def agreement(scores: Floats, exact: Floats, drawn: Drawn) -> Agreement:
    """Estimated over all wires.

    Args:
        scores: [N] of all wires. exact: [held] of those held, in their order. drawn: which they are.
    """
    w = drawn.weights
    # Places among all wires: those of the scores are known, those of exact values are estimated.
    places = _places(scores, np.ones(len(scores)))[drawn.held]
    pearson = _correlation(scores[drawn.held], exact, w)
    return Agreement(pearson, _correlation(places, _places(exact, w), w), *_recall(np.abs(exact), drawn))


def _places(x: Floats, weights: Floats) -> Floats:
    """[n] the weight below each value, and half of that at it: a rank less one half."""
    values, index = np.unique(x, return_inverse=True)
    at = np.bincount(index, weights, len(values))
    below = np.cumsum(at) - at
    found: Floats = (below + at / 2)[index]
    return found


def _correlation(x: Floats, y: Floats, w: Floats) -> float | None:
    """Weighted; `None` where a side does not vary."""
    total = w.sum()
    u, v = x - w @ x / total, y - w @ y / total
    spread = float(np.sqrt((w @ u**2) * (w @ v**2)))
    return float(np.clip(w @ (u * v) / spread, -1, 1)) if spread > 0 else None


def _recall(exact: Floats, drawn: Drawn) -> tuple[float | None, Interval | None]:
    """The share of the k exactly strongest wires that are among the k strongest by score.

    Of the strongest by score in their exact order, the j-th is among the k exactly strongest if at most k - j of the
    others are stronger. How many those are is estimated from the draw, and bounded by the hypergeometric distribution.
    """
    k, m = len(drawn.strongest), len(drawn.others)
    if not k:
        return None, None
    own = -np.sort(-exact[:k])
    above = (exact[k:][None] > own[:, None]).sum(1)
    rest = drawn.count - k
    place = np.arange(1, k + 1)

    def share(others: Floats) -> float:
        return float((place + others <= k + 1e-9).sum() / k)

    found = share(above * (rest / m) if m else np.zeros(k))
    if drawn.whole:
        return found, None
    if not m:
        return found, Interval(share(np.full(k, float(rest))), 1.0)
    ends = {int(c): _others(int(c), m, rest) for c in np.unique(above)}
    low, high = (np.array([ends[int(c)][i] for c in above], dtype=np.float64) for i in (0, 1))
    return found, Interval(share(high), share(low))


@cache
def _others(seen: int, m: int, rest: int) -> tuple[int, int]:
    """How many of `rest` there may be, where `seen` of m that were drawn are so (Clopper & Pearson, finite)."""
    from scipy.stats import hypergeom

    tail = (1 - _LEVEL) / 2
    count = np.arange(seen, rest - m + seen + 1)
    low = count[hypergeom.sf(seen - 1, rest, count, m) > tail]
    high = count[hypergeom.cdf(seen, rest, count, m) > tail]
    return int(low.min()), int(high.max())


def even(rows: int, most: int) -> list[int]:
    """At most so many rows, evenly spaced over all."""
    if rows <= most:
        return list(range(rows))
    return sorted({round(x) for x in np.linspace(0, rows - 1, max(most, 1))})


def overlap(one: Sequence[int] | NDArray[np.intp], other: Sequence[int] | NDArray[np.intp]) -> float:
    """Jaccard's."""
    a, b = set(map(int, one)), set(map(int, other))
    return len(a & b) / len(a | b) if a | b else 1.0


__all__ = ["Agreement", "Drawn", "agreement", "draw", "even", "overlap"]
