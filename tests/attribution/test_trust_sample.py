"""What a sample says of all wires: against all of them, over every draw there is, and by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.trust_others import compared
from causalcircuit.attribution.trust_sample import Drawn, agreement, draw, even, overlap


def order(x: Floats) -> np.ndarray:
    return np.argsort(-np.abs(x), kind="stable")


def recall(scores: Floats, exact: Floats, k: int) -> float:
    return len(set(order(scores)[:k].tolist()) & set(order(exact)[:k].tolist())) / k


@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(1, 4))
def test_of_all_wires_it_is_what_they_say(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores, exact = rng.normal(size=n), rng.normal(size=n).round(1) + 0.05
    exact += rng.normal(size=n) * 1e-9  # no ties in size: which of two equals is stronger is nobody's
    found = agreement(scores, exact[np.concatenate((order(scores)[:k], np.sort(order(scores)[k:])))],
                      draw(order(scores), k, n, 0))  # fmt: skip
    assert found.pearson == pytest.approx(pearsonr(scores, exact)[0], abs=1e-9)
    assert found.spearman == pytest.approx(spearmanr(scores, exact)[0], abs=1e-9)
    assert found.recall == pytest.approx(recall(scores, exact, k))
    assert found.interval is None


def test_over_every_draw_its_sums_are_those_of_all_wires() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=9)
    top, rest = order(scores)[:3], order(scores)[3:]
    totals = []
    for chosen in combinations(rest.tolist(), 3):
        drawn = Drawn(top, np.array(chosen), 9)
        totals.append(drawn.weights @ scores[drawn.held] ** 2)
    assert np.mean(totals) == pytest.approx((scores**2).sum())


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_bounds_of_recall_hold_over_every_draw(rho: float) -> None:
    rng = np.random.default_rng(4)
    exact = rng.standard_t(3, 16)
    scores = rho * exact + np.sqrt(1 - rho**2) * rng.permutation(exact)
    k, m = 4, 5
    truth, inside, total = recall(scores, exact, k), 0, 0
    for chosen in combinations(order(scores)[k:].tolist(), m):
        drawn = Drawn(order(scores)[:k], np.array(chosen), 16)
        found = agreement(scores, exact[drawn.held], drawn).interval
        assert found is not None
        inside, total = inside + (found.low - 1e-9 <= truth <= found.high + 1e-9), total + 1
    assert total == 792
    assert inside / total >= 0.95


def test_by_simulation_estimates_lie_about_the_truth_where_those_held_alone_do_not() -> None:
    rng = np.random.default_rng(7)
    n, k, m = 400, 20, 40
    exact = rng.standard_t(3, n)
    scores = exact + rng.normal(size=n) * 1.5
    truth = pearsonr(scores, exact)[0], spearmanr(scores, exact)[0]
    found, plain = [], []
    for seed in range(400):
        drawn = draw(order(scores), k, m, seed)
        a = agreement(scores, exact[drawn.held], drawn)
        found.append((a.pearson, a.spearman))
        plain.append(spearmanr(scores[drawn.held], exact[drawn.held])[0])
    # Standard errors of the means are below .006; a ratio of estimated sums is off by about 1/m.
    assert np.mean(found, 0) == pytest.approx(truth, abs=0.025)
    assert abs(np.mean(plain) - truth[1]) > 0.05


def test_draws_are_of_the_rest_and_come_again() -> None:
    ranked = np.arange(50)[::-1]
    one, again, other = draw(ranked, 10, 15, 7), draw(ranked, 10, 15, 7), draw(ranked, 10, 15, 8)
    assert one.others.tolist() == again.others.tolist() != other.others.tolist()
    assert set(one.others.tolist()) <= set(range(40))
    assert one.weights.sum() == pytest.approx(50)
    assert draw(ranked, 10, 99, 1).whole


@settings(max_examples=50)
@given(st.integers(1, 500), st.integers(1, 60))
def test_rows_are_spread_evenly(rows: int, most: int) -> None:
    found = even(rows, most)
    assert found == sorted(set(found))
    assert len(found) == min(rows, most)
    assert found[0] == 0
    if most > 1:
        assert found[-1] == rows - 1
        assert np.ptp(np.diff(found)) <= 1 if len(found) > 2 else True


def test_values_that_do_not_vary_have_no_correlation() -> None:
    found = agreement(np.array([3.0, 2, 1, 0.5]), np.ones(4), draw(np.arange(4), 2, 2, 0))
    assert (found.pearson, found.spearman) == (None, None)


def test_overlaps() -> None:
    assert overlap([1, 2, 3], [2, 3, 4]) == pytest.approx(2 / 4)
    assert overlap([], []) == 1.0


def test_the_odd_one_out_is_told_from_one_of_many() -> None:
    rng = np.random.default_rng(0)
    wiring = rng.exponential(size=200)
    others = [wiring * rng.exponential(size=200) for _ in range(5)]
    learned = compared([rng.exponential(size=200), *others])
    assert learned.odd
    assert abs(learned.with_model) < 0.2 < learned.among
    pairs = [spearmanr(a, b)[0] for a, b in combinations(others, 2)]
    assert learned.among == pytest.approx(np.mean(pairs))
    untouched = compared([wiring] * 6)
    assert not untouched.odd
    assert untouched.with_model == pytest.approx(1)


def test_one_of_many_is_taken_for_odd_once_in_six() -> None:
    rng = np.random.default_rng(3)
    odd = []
    for _ in range(600):
        wiring = rng.exponential(size=60)
        odd.append(compared([wiring * rng.exponential(size=60) for _ in range(6)]).odd)
    assert np.mean(odd) == pytest.approx(1 / 6, abs=0.05)  # three standard errors
