"""Quantiles of weighted rows, and how they vary.

The quantile at share p is where the weighted share of rows reaches p, halfway to the next value where it meets p
exactly (definition 2 of Hyndman & Fan 1996, "Sample quantiles in statistical packages"). Its linearisation is
q + (p − [y ≤ q])/f(q) (Bahadur 1966); the density at q is read off a difference of quantiles around it (Siddiqui
1960), over the bandwidth of Hall & Sheather (1988, "On the distribution of a Studentized quantile", JRSS B 50), which
is made for intervals.
"""

from __future__ import annotations

from causalcircuit.inference._numpy import Floats, np
from causalcircuit.inference._special import ndtri
from causalcircuit.query import Call, Expr, Number, Term, walk

_TIE = 1e-12
"""Shares nearer than this are the same: they are sums of weights."""


def quantiles_in(e: Expr) -> dict[int, float]:
    """The terms of an estimand that are quantiles, each with its share."""
    return {
        x.arguments[0].index: x.arguments[1].value
        for x in walk(e)
        if isinstance(x, Call)
        and x.function == "quantile"
        and isinstance(x.arguments[0], Term)
        and isinstance(x.arguments[1], Number)
    }


def has_quantiles(e: Expr) -> bool:
    """Whether a quantile stands in an estimand."""
    return bool(quantiles_in(e))


def quantiles(values: Floats, times: Floats, share: float) -> Floats:
    """[B] the quantile of `values` [n] where the rows count so many `times` [B, n]; NaN where none counts."""
    order = np.argsort(values, kind="stable")
    ranked, reached = values[order], np.cumsum(times[:, order], axis=1)
    whole = reached[:, -1:]
    low = (reached < (share - _TIE) * whole).sum(axis=1)
    high = (reached <= (share + _TIE) * whole).sum(axis=1)
    last = len(values) - 1
    found = (ranked[np.minimum(low, last)] + ranked[np.minimum(high, last)]) / 2
    return np.asarray(np.where(whole[:, 0] > 0, found, np.nan))


def linearised(values: Floats, weight: Floats | None, share: float) -> Floats:
    """[n] a column whose weighted mean is the quantile, and which varies as the quantile does.

    Where values tie around it the bandwidth is widened until they differ; a column without two values stays as it is.
    """
    w = np.ones(len(values)) if weight is None else weight
    at = float(quantiles(values, w[None], share)[0])
    below = (values <= at).astype(np.float64)
    below -= (w * below).sum() / w.sum()
    return np.asarray(at - below * _spacing(values, w, share))


def _spacing(values: Floats, w: Floats, share: float) -> float:
    """How fast the quantile rises with its share: 1/f(q)."""
    order = np.argsort(values, kind="stable")
    ranked, weights = values[order], w[order]
    places = (np.cumsum(weights) - weights / 2) / weights.sum()
    h = _bandwidth(share, float(weights.sum() ** 2 / (weights**2).sum()))
    while True:
        low, high = max(share - h, float(places[0])), min(share + h, float(places[-1]))
        rise = float(np.interp(high, places, ranked) - np.interp(low, places, ranked))
        if rise > 0 and high > low:
            return rise / (high - low)
        if h >= 1:
            return 0.0
        h *= 2


def _bandwidth(share: float, n: float) -> float:
    """Hall & Sheather's, for a 95% interval."""
    z = float(ndtri(share))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float(n ** (-1 / 3) * 1.96 ** (2 / 3) * (1.5 * density**2 / (2 * z**2 + 1)) ** (1 / 3))
