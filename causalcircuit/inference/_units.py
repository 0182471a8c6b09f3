"""Sampling units: after this file there are no rows, clusters, conditions or weights, only units.

A term is a ratio of sums, Σ w·[condition]·value / Σ w·[condition]; both sums are collected over each unit
(a cluster, or a row where rows are independent), so that leaving a unit out, or drawing it twice, is
arithmetic on [G, k] arrays. Every function takes leading axes as well: simulated data sets, side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.inference._sample import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """G sampling units of k terms.

    Attributes:
        mean: [..., k] the mean of each term over all rows that enter it.
        total: [..., G, k] sum over a unit's rows of weight × (value − mean).
        size: [..., G, k] sum over a unit's rows of weight; 0 where no row of the unit enters the term.
        scale: [..., k] the largest value of each term, in absolute terms.
    """

    mean: Floats
    total: Floats
    size: Floats
    scale: Floats

    @property
    def count(self) -> Floats:
        """[...] units that enter at least one term."""
        return np.asarray((self.size > 0).any(axis=-1).sum(axis=-1), dtype=np.float64)

    @property
    def counts(self) -> Floats:
        """[..., k] units that enter each term."""
        return np.asarray((self.size > 0).sum(axis=-2), dtype=np.float64)

    def shifts(self) -> Floats:
        """[..., G, k] how far each mean moves when one unit is left out; 0 where the unit does not enter."""
        rest = self.size.sum(axis=-2, keepdims=True) - self.size
        with np.errstate(all="ignore"):
            moved: Floats = (self.total.sum(axis=-2, keepdims=True) - self.total) / rest
        return np.where(self.size > 0, moved, 0.0)

    def resampled(self, chosen: NDArray[np.intp]) -> Floats:
        """[B, k] the means over B draws of units; `chosen` is [B, G'] unit numbers. NaN where a term is empty."""
        times = self.times(chosen)
        with np.errstate(all="ignore"):
            means: Floats = self.mean + (times @ self.total) / (times @ self.size)
        return means

    def times(self, chosen: NDArray[np.intp]) -> Floats:
        """[B, G] how often each unit was drawn; `chosen` is [B, G'] unit numbers."""
        draws, units = len(chosen), len(self.size)
        flat = (chosen + units * np.arange(draws)[:, None]).ravel()
        return np.bincount(flat, minlength=draws * units).reshape(draws, units).astype(np.float64)


def units_of(
    values: Floats,
    mask: NDArray[np.bool_] | None = None,
    cluster: NDArray[np.intp] | None = None,
    weight: Floats | None = None,
) -> Units:
    """Collect rows into units.

    Args:
        values: [..., n, k].
        mask: the same shape, all true where `None`.
        cluster: [n] unit numbers from 0 without gaps, every row its own where `None`.
        weight: [n], 1 where `None`.
    """
    size = np.ones_like(values) if mask is None else mask.astype(np.float64)
    if weight is not None:
        size = size * weight[:, None]
    with np.errstate(all="ignore"):
        mean: Floats = (size * values).sum(axis=-2) / size.sum(axis=-2)
    total = size * (values - mean[..., None, :])
    scale = np.abs(np.where(size > 0, values, 0.0)).max(axis=-2)
    if cluster is not None:
        order = np.argsort(cluster, kind="stable")
        starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
        total = np.add.reduceat(total[..., order, :], starts, axis=-2)
        size = np.add.reduceat(size[..., order, :], starts, axis=-2)
    return Units(mean, total, size, scale)


def units_in(sample: Sample) -> Units:
    """The units of a sample."""
    return units_of(sample.values, sample.mask, sample.cluster, sample.weight)
