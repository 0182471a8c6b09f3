"""From scores a row to scores with intervals, and how stable a choice of the strongest is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]


def units(labels: Sequence[Any] | None, rows: int) -> NDArray[np.intp]:
    """[rows] the number of each row's sampling unit; labels are alike where they are equal, as in all intervals."""
    if labels is None:
        return np.arange(rows)
    number = {label: i for i, label in enumerate(sorted(dict.fromkeys(labels), key=lambda x: (str(x), repr(x))))}
    return np.array([number[x] for x in labels], dtype=np.intp)


def means(scores: Floats, unit: NDArray[np.intp], weights: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """[n] mean over rows, and [n] half the width of its t interval over sampling units.

    Args:
        scores: [rows, n]. unit: [rows]. weights: [rows]. level: of the interval.

    The variance is that of a cluster-robust mean with G/(G - 1), the degrees of freedom are G - 1; infinite with one
    unit.
    """
    total = weights.sum()
    value = (weights[:, None] * scores).sum(0) / total
    count = int(unit.max()) + 1
    moved = np.zeros((count, scores.shape[1]))
    np.add.at(moved, unit, weights[:, None] * (scores - value) / total)
    if count < 2:
        return value, np.full_like(value, np.inf)
    se = np.sqrt(count / (count - 1) * (moved**2).sum(0))
    return value, se * stdtrit(count - 1, (1 + level) / 2)


def stability(
    scores: Floats, unit: NDArray[np.intp], weights: Floats, keep: int, seed: int, times: int = 200
) -> tuple[Floats, float]:
    """How often each is among the `keep` strongest of resampled units, and the mean Jaccard overlap with the choice.

    Args:
        scores: [rows, n]. unit, weights: [rows]. keep: how many are chosen. seed: of the resampling. times: resamples.

    Source: the bootstrap of circuits in arXiv 2510.00845.
    """
    rng = np.random.default_rng(seed)
    count = int(unit.max()) + 1
    sums = np.zeros((count, scores.shape[1]))
    sizes = np.bincount(unit, weights, count)
    np.add.at(sums, unit, weights[:, None] * scores)
    chosen = set(strongest(sums.sum(0), keep).tolist())
    often = np.zeros(scores.shape[1])
    overlap = 0.0
    for _ in range(times):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count).astype(float)
        if not (drawn * sizes).sum():
            continue
        found = strongest(drawn @ sums, keep)
        often[found] += 1
        both = len(chosen & set(found.tolist()))
        overlap += both / (len(chosen) + len(found) - both) if len(found) else 1.0
    return often / times, overlap / times


def strongest(values: Floats, keep: int) -> NDArray[np.intp]:
    """The numbers of the `keep` largest in size, the first ones where sizes are equal; never one that is zero."""
    order = np.argsort(-np.abs(values), kind="stable")[:keep]
    found: NDArray[np.intp] = order[values[order] != 0]
    return found
