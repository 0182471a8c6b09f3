"""Prediction-powered means: against the regression by hand, and by simulation with known truths."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from causalcircuit.inference import Powered, powered

ROWS, EXACT, DRAWS = 800, 50, 400
Made = tuple[np.ndarray, np.ndarray, float]


def drawn(y: np.ndarray, scores: np.ndarray, rng: np.random.Generator, n: int = EXACT) -> Powered:
    chosen = rng.choice(len(y), n, replace=False)
    return powered(y[chosen], chosen, scores)


def strong(rng: np.random.Generator) -> Made:
    f = rng.normal(size=ROWS)
    return f + 0.3 * rng.normal(size=ROWS), np.stack([f, f + rng.normal(size=ROWS)], 1), 0.0


def useless(rng: np.random.Generator) -> Made:
    return rng.normal(size=ROWS), rng.normal(size=(ROWS, 2)), 0.0


def skewed(rng: np.random.Generator) -> Made:
    e = rng.exponential(size=ROWS)
    return e + 0.2 * rng.exponential(size=ROWS), np.stack([e, np.sqrt(e)], 1), 1.2


def curved(rng: np.random.Generator) -> Made:
    f = rng.normal(size=ROWS)
    return f**2 + f, f[:, None], 1.0


def tailed(rng: np.random.Generator) -> Made:
    f = rng.normal(size=ROWS)
    return f + 0.3 * rng.standard_t(3, size=ROWS), f[:, None], 0.0


@pytest.mark.parametrize(
    ("make", "most", "least"),
    [(strong, 0.5, 0.0), (useless, 1.1, 1.0), (skewed, 0.5, 0.0), (curved, 1.0, 0.0), (tailed, 0.75, 0.0)],
)
def test_the_interval_covers_as_the_classical_one_does(
    make: Callable[[np.random.Generator], Made], most: float, least: float
) -> None:
    """400 data sets, 50 exact rows of 800; a useless score costs at most 10% of width."""
    rng = np.random.default_rng(7)
    held, classical, ratio = [], [], []
    for _ in range(DRAWS):
        y, scores, truth = make(rng)
        found = drawn(y, scores, rng)
        one, other = found.interval(), found.classical_interval()
        held.append(one.low <= truth <= one.high)
        classical.append(other.low <= truth <= other.high)
        ratio.append((one.high - one.low) / (other.high - other.low))
    error = math.sqrt(0.05 * 0.95 / DRAWS)
    assert np.mean(held) >= min(0.95, float(np.mean(classical))) - 3 * error
    assert least <= np.median(ratio) <= most
    assert np.mean(ratio) <= 1.1


def test_it_is_the_regression_read_at_the_mean_score() -> None:
    rng = np.random.default_rng(0)
    f = rng.uniform(-1, 1, size=300)  # nothing lies far out
    y = 2 + 3 * f + 0.1 * rng.normal(size=300)
    chosen = rng.choice(300, 60, replace=False)
    g = f
    slope, level = np.polyfit(g[chosen], y[chosen], 1)
    found = powered(y[chosen], chosen, f[:, None])
    assert found.value == pytest.approx(level + slope * g.mean(), rel=1e-9)
    assert found.df == 58
    assert (found.units, found.pool) == (60, 300)
    x = np.column_stack([np.ones(60), g[chosen]])
    bread = np.linalg.inv(x.T @ x)
    h = np.einsum("ij,jk,ik->i", x, bread, x)
    off = (y[chosen] - x @ np.array([level, slope])) / (1 - h)
    at = np.array([1.0, g.mean()])
    hc3 = at @ bread @ (x.T * off**2) @ x @ bread @ at
    pool = slope**2 * g.var(ddof=1) / 300
    floor = 2 * y[chosen].var(ddof=1) / 60**2
    assert found.se**2 == pytest.approx(hc3 + pool + floor, rel=1e-6)


def test_a_cluster_is_left_out_whole() -> None:
    """The variance by refitting without each cluster, as leverages have it."""
    rng = np.random.default_rng(1)
    size = rng.integers(1, 5, size=200)
    of = np.repeat(np.arange(200), size)
    f = rng.normal(size=len(of)) + np.repeat(rng.normal(size=200), size)
    y = f + np.repeat(rng.normal(size=200), size)
    groups = rng.choice(200, 60, replace=False)
    chosen = np.flatnonzero(np.isin(of, groups))
    found = powered(y[chosen], chosen, f[:, None], of)
    g = f
    z = (g - g.mean()) / g.std()

    def value(kept: np.ndarray) -> float:
        return float(np.polyfit(z[kept], y[kept], 1)[1])

    moved = [value(chosen) - value(chosen[of[chosen] != k]) for k in groups]
    slope = np.polyfit(z[chosen], y[chosen], 1)[0]
    sums = np.bincount(of, slope * z) / len(of)
    plain = y[chosen] - y[chosen].mean()
    parts = np.array([plain[of[chosen] == k].sum() for k in groups]) / len(chosen)
    classical = float((parts**2).sum()) * 60 / 59
    want = sum(m**2 for m in moved) + float((sums**2).sum()) * 200 / 199 + 2 * classical / 60
    assert found.se**2 == pytest.approx(want, rel=1e-6)
    assert (found.units, found.pool, found.df) == (60, 200, 58)


def test_scores_that_say_nothing_or_the_same_are_left_out() -> None:
    rng = np.random.default_rng(2)
    f, y = rng.normal(size=300), rng.normal(size=300)
    chosen = rng.choice(300, 60, replace=False)
    one = powered(y[chosen], chosen, f[:, None])
    same = powered(y[chosen], chosen, np.stack([f, 2 * f, np.ones(300)], 1))
    assert (same.value, same.se, same.df) == pytest.approx((one.value, one.se, one.df), rel=1e-6)
    none = powered(y[chosen], chosen, np.ones((300, 1)))
    assert none.value == pytest.approx(y[chosen].mean())
    assert none.correlation == 0
    assert none.gain < 1


def test_one_row_that_carries_the_variance_is_noticed() -> None:
    rng = np.random.default_rng(3)
    f = rng.normal(size=400)
    y = f + 0.1 * rng.normal(size=400)
    chosen = np.arange(60)
    assert not powered(y[chosen], chosen, f[:, None]).heavy
    y[0] += 5
    assert powered(y[chosen], chosen, f[:, None]).heavy


@pytest.mark.parametrize(("n", "p", "said"), [(49, 1, "at least 50"), (60, 4, "at most 3"), (60, 1, "finite")])
def test_what_cannot_be_powered_is_refused(n: int, p: int, said: str) -> None:
    y = np.arange(float(n))
    y[0] = np.nan if said == "finite" else 0.0
    with pytest.raises(ValueError, match=said):
        powered(y, np.arange(n), np.random.default_rng(0).normal(size=(100, p)))
