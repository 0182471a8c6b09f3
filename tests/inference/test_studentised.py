"""The studentised bootstrap against the same by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from causalcircuit.inference import Problem, Shape, infer
from causalcircuit.inference._bootstrap import chunks
from causalcircuit.inference._studentised import _linearised
from causalcircuit.inference._units import units_in
from causalcircuit.query import Expr
from tests.inference.making import DIFFERENCE, FIRST, RATIO, bootstrap, call, minus, pairs, power, sample

Floats = NDArray[np.float64]


def ends(y: Floats, combine: Expr = FIRST, resamples: int = 999, **more: object) -> tuple[float, float]:
    found = infer(sample(y, combine, **more), bootstrap("studentised", resamples)).interval
    assert found is not None
    return found.low, found.high


def drawn(n: int, resamples: int) -> NDArray[np.intp]:
    return np.concatenate(list(chunks(n, resamples, 7)))


def test_of_a_mean_it_is_each_replicates_own_t() -> None:
    y = np.random.default_rng(1).exponential(size=25)
    picked = y[drawn(25, 999)]
    t = np.sort((picked.mean(axis=1) - y.mean()) / picked.std(axis=1))
    low, high = y.mean() - t[975 - 1] * y.std(), y.mean() - t[25 - 1] * y.std()
    assert ends(y) == pytest.approx((low, high), rel=1e-9)


def test_of_a_ratio_the_error_is_that_of_its_linearisation() -> None:
    y = pairs(40, means=(2.0, 3.0))
    picked = y[drawn(40, 999)]

    def ratio_and_error(rows: Floats) -> tuple[Floats, Floats]:
        top, below = rows[..., 0].mean(axis=-1), rows[..., 1].mean(axis=-1)
        ratio = top / below
        residual = rows[..., 0] - ratio[..., None] * rows[..., 1]
        return ratio, residual.std(axis=-1) / below

    (r, e), (rs, es) = ratio_and_error(y), ratio_and_error(picked)
    t = np.sort((rs - r) / es)
    assert ends(y, RATIO) == pytest.approx((r - t[974] * e, r - t[24] * e), rel=1e-6)


def test_weights_conditions_and_clusters_enter_the_error() -> None:
    """One replicate in which every unit counts once has the error of the rows gone through one by one."""
    rng = np.random.default_rng(3)
    y, weight, cluster = rng.normal(size=(60, 2)) + 2, rng.uniform(0.5, 2, 60), np.arange(60) // 3
    mask = rng.random((60, 2)) < 0.8
    one = sample(y, RATIO, mask=mask, weight=weight, cluster=cluster)
    problem = Problem(Shape(RATIO, one.events, True, True), units_in(one))
    value, error = _linearised(problem, np.ones((1, 20)))
    w = weight[:, None] * mask
    top, below = (w * y).sum(axis=0) / w.sum(axis=0)
    share = w / w.sum(axis=0)
    rows = share[:, 0] * (y[:, 0] - top) / below - top / below**2 * share[:, 1] * (y[:, 1] - below)
    by_cluster = np.bincount(cluster, rows)
    assert value[0] == pytest.approx(top / below, rel=1e-12)
    assert error[0] == pytest.approx(float(np.sqrt((by_cluster**2).sum())), rel=1e-6)


def test_whole_clusters_are_drawn() -> None:
    means = np.random.default_rng(1).exponential(size=40)
    copies = ends(np.repeat(means, 5), cluster=np.repeat(np.arange(40), 5))
    assert copies == pytest.approx(ends(means), rel=1e-9)


def test_it_follows_the_long_tail_further_than_the_percentiles() -> None:
    y = np.random.default_rng(2).exponential(size=30)
    got = infer(sample(y), bootstrap("percentile")).interval
    assert got is not None
    assert ends(y, resamples=1999)[1] > got.high


@pytest.mark.parametrize(
    "combine", [DIFFERENCE, RATIO, power(FIRST, 3), call("log", FIRST), minus(call("exp", FIRST), FIRST)]
)
def test_it_moves_and_stretches_with_the_rows(combine: Expr) -> None:
    y = pairs(30, means=(3.0, 2.0))
    got = ends(y, combine)
    assert got[0] < got[1]
    assert ends(y[::-1], combine) != got  # rows are numbered, and numbers drawn


def test_rows_that_do_not_vary_have_an_interval_of_no_width() -> None:
    assert ends(np.full(30, 2.5)) == (2.5, 2.5)


def test_events_too_rare_for_replicates_to_vary_leave_no_interval() -> None:
    y = np.zeros(30)
    y[:2] = 1
    found = infer(sample(y, events=(True,)), bootstrap("studentised"))
    assert found.interval is None
    assert "no row varies" in found.reason
