"""Independence of two numbers a row: the Hilbert-Schmidt criterion under permutation (Gretton et al. 2007).

HSIC is the squared distance between what the joint distribution and the product of its margins look like in the feature
space of a kernel. With Gaussian kernels it is zero in the limit exactly where both are independent. It is shown divided
by its largest value, so that it lies between 0 and 1; that changes no p.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.inference._exchange import Exchange, p_of
from causalcircuit.inference._numpy import Floats, np

_MOST = 1500
"""Rows that enter: the cost grows with their square."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far two numbers depend on each other.

    Attributes:
        value: HSIC / √(HSIC(x, x)·HSIC(y, y)). p: of independence. draws: permutations. rows: that entered.
    """

    value: float
    p: float
    draws: int
    rows: int


def dependence(x: Floats, y: Floats, exchange: Exchange, weight: Floats | None, seed: int, draws: int) -> Dependence:
    """Test that [rows] `x` and `y` are independent.

    Args:
        x, y: one value a row. exchange: which rows may take whose place. weight: [rows]. seed, draws: of permutations.
    """
    w = np.ones(len(x)) if weight is None else weight
    w = w / w.sum()
    k, m = _features(x, w), _features(y, w)
    if not k.size or not m.size:  # one of them is the same in every row
        return Dependence(0.0, 1.0, draws, len(x))
    weighed, moved = k * w[:, None], m * w[:, None]
    observed = _squared(weighed, m)
    drawn = np.array([_squared(weighed, m[o]) for o in exchange.draw(seed, draws)])
    scale = float(np.sqrt(_squared(weighed, k) * _squared(moved, m)))
    return Dependence(observed / scale, p_of(observed, drawn), draws, len(x))


def _squared(a: Floats, b: Floats) -> float:
    """Σ (aᵀb)²: the products of two kernels, summed, from their features."""
    return float(((a.T @ b) ** 2).sum())


_KEPT = 1e-10
"""Eigenvalues below this share of the largest are rounding: smooth kernels of one number have few others."""


def _features(x: Floats, w: Floats) -> Floats:
    """[rows, r] whose products are the centred kernel: a permutation then costs rows × r², and not rows²."""
    value, vector = np.linalg.eigh(_centred(x, w))
    kept = value > max(_KEPT * value[-1], 1e-14)
    found: Floats = vector[:, kept] * np.sqrt(value[kept])
    return found


def _centred(x: Floats, w: Floats) -> Floats:
    """The Gaussian kernel of median width, centred by weighted means."""
    apart = np.abs(x[:, None] - x[None, :])
    some = apart[apart > 0]
    kernel = np.exp(-0.5 * (apart / (np.median(some) if len(some) else 1.0)) ** 2)
    mean = kernel @ w
    centred: Floats = kernel - mean[:, None] - mean[None, :] + w @ mean
    return centred


def rows_that_enter(exchange: Exchange) -> list[int]:
    """Rows of whole units, evenly spaced where there are too many."""
    share = min(1.0, _MOST / exchange.rows)
    out: list[int] = []
    for own in exchange.strata:
        chosen = np.unique(np.linspace(0, len(own) - 1, max(1, round(share * len(own)))).astype(int))
        out += own[chosen].ravel().tolist()
    return sorted(out)
