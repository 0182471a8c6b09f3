"""The tests behind claims about circuits: exact tails, whole clusters, independence; their errors by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from causalcircuit.inference import Exchange, Finding, Share, dependence, fewest_draws, judge, p_of, rows_that_enter


@given(st.integers(1, 200), st.data(), st.floats(0.01, 0.99))
@settings(max_examples=100)
def test_tails_are_those_of_the_binomial(n: int, data: st.DataObject, share: float) -> None:
    k = data.draw(st.integers(0, n))
    found = Share(k, n)
    assert found.p_above(share) == pytest.approx(binomtest(k, n, share, "greater").pvalue, rel=1e-6, abs=1e-12)
    assert found.p_below(share) == pytest.approx(binomtest(k, n, share, "less").pvalue, rel=1e-6, abs=1e-12)
    interval = binomtest(k, n).proportion_ci(0.9, "exact")
    assert (found.low(0.05), found.high(0.05)) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(st.floats(0.05, 0.99), st.floats(0.001, 0.2))
def test_the_fewest_draws_can_reach_alpha_and_one_less_cannot(share: float, alpha: float) -> None:
    n = fewest_draws(share, alpha)
    assert Share(n, n).p_above(share) <= alpha * (1 + 1e-6)
    assert n == 1 or Share(n - 1, n - 1).p_above(share) > alpha * (1 - 1e-6)


def test_permutations_move_whole_clusters_of_one_size_and_weight() -> None:
    cluster = np.array([0, 0, 1, 1, 2, 3, 3])
    weight = np.array([1, 2, 2, 1, 1, 1, 1.0])
    exchange = Exchange.of(7, cluster, weight)
    assert exchange.count == pytest.approx(2)  # clusters 0 and 1 alone are alike
    seen = {tuple(o.tolist()) for o in exchange.draw(0, 50)}
    assert seen == {(0, 1, 2, 3, 4, 5, 6), (3, 2, 1, 0, 4, 5, 6)}
    assert all((weight[list(o)] == weight).all() for o in seen)


def test_p_counts_the_data_among_the_draws() -> None:
    assert p_of(3.0, np.array([1.0, 2.0, 3.0, 4.0])) == 3 / 5
    assert p_of(9.0, np.arange(8.0)) == 1 / 9


def test_dependence_is_that_of_whole_kernels() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=40), rng.uniform(0.5, 2, size=40)
    y = x**2 + rng.normal(size=40)
    w = w / w.sum()

    def centred(v: np.ndarray) -> np.ndarray:
        apart = np.abs(v[:, None] - v)
        kernel = np.exp(-((apart / np.median(apart[apart > 0])) ** 2) / 2)
        h = np.eye(40) - np.outer(np.ones(40), w)
        return h @ kernel @ h.T

    k, m, both = centred(x), centred(y), np.outer(w, w)
    expected = (both * k * m).sum() / np.sqrt((both * k * k).sum() * (both * m * m).sum())
    assert dependence(x, y, Exchange.of(40), w, 0, 9).value == pytest.approx(expected, rel=1e-6)
    assert dependence(x, np.ones(40), Exchange.of(40), None, 0, 9).p == 1.0


def test_independence_is_rejected_no_oftener_than_alpha_and_dependence_nearly_always() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(12), 4)
    false = true = 0
    for s in range(200):
        x, y = (np.repeat(rng.normal(size=12), 4) + 0.3 * rng.normal(size=48) for _ in range(2))
        false += dependence(x, y, Exchange.of(48, cluster), None, s, 99).p <= 0.05
        true += dependence(x, np.abs(x) + 0.2 * rng.normal(size=48), Exchange.of(48, cluster), None, s, 99).p <= 0.05
    assert false / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert true / 200 > 0.9


def test_rows_by_themselves_would_be_rejected_too_often() -> None:
    """Why clusters move whole."""
    rng = np.random.default_rng(1)
    false = 0
    for s in range(100):
        x, y = (np.repeat(rng.normal(size=12), 4) + 0.3 * rng.normal(size=48) for _ in range(2))
        false += dependence(x, y, Exchange.of(48), None, s, 99).p <= 0.05
    assert false / 100 > 0.15


def test_too_many_rows_are_thinned_by_whole_clusters() -> None:
    cluster = np.repeat(np.arange(1000), 3)
    kept = rows_that_enter(Exchange.of(3000, cluster))
    assert len(kept) <= 1500
    assert (np.bincount(cluster[kept])[np.unique(cluster[kept])] == 3).all()


def test_verdicts_of_a_family() -> None:
    found = [Finding(1.0, 0.02, 0.9), Finding(0.0, 0.9, 0.001), Finding(0.5, None, 0.4)]
    alone = judge(found, "none", 0.05)
    assert [j.verdict for j in alone] == ["supported", "refuted", "inconclusive"]
    together = judge(found, "holm", 0.05)
    assert [j.verdict for j in together] == ["inconclusive", "refuted", "inconclusive"]  # 0.02 * 3 > 0.05
    assert together[0].p_adjusted == pytest.approx(0.06)
    assert together[0].level == pytest.approx(1 - 0.1 / 3)
    assert judge([f.negated() for f in found], "none", 0.05)[1].verdict == "supported"
