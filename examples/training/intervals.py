"""The interval of the model cards: a percentile cluster bootstrap, clusters drawn whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

DRAWS, SEED = 2000, 7


def cluster_weights(clusters: Sequence[str]) -> np.ndarray:
    """[DRAWS, n] how often each row is in each resample of whole clusters."""
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    size = index.max() + 1
    return np.random.default_rng(SEED).multinomial(size, np.full(size, 1 / size), DRAWS)[:, index]


def mean_interval(values: ArrayLike, clusters: Sequence[str]) -> tuple[float, float, float]:
    """The mean over rows and its 95% interval."""
    v, w = np.asarray(values, float), cluster_weights(clusters)
    low, high = np.quantile(w @ v / w.sum(1), [0.025, 0.975])
    return float(v.mean()), float(low), float(high)


def ratio_interval(above: ArrayLike, below: ArrayLike, clusters: Sequence[str]) -> tuple[float, float, float]:
    """The ratio of two means over rows and its 95% interval."""
    a, b, w = np.asarray(above, float), np.asarray(below, float), cluster_weights(clusters)
    low, high = np.quantile((w @ a) / (w @ b), [0.025, 0.975])
    return float(a.mean() / b.mean()), float(low), float(high)
