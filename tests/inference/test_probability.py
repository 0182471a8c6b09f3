"""Wilson against statsmodels; clusters that all agree."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from causalcircuit.inference import infer
from causalcircuit.inference._probability import QUARTER, wilson_ends
from causalcircuit.query import Binary, Number, Options, Term
from tests.inference.making import FIRST, above, minus, sample


@pytest.mark.parametrize("count", [0, 1, 7, 29, 30])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_one_probability_gets_wilsons_interval(count: int, level: float) -> None:
    y = (np.arange(30) < count).astype(float)
    got = infer(sample(y, events=(True,)), Options("wilson", level=level))
    assert got.interval is not None
    want = proportion_confint(count, 30, alpha=1 - level, method="wilson")
    assert (got.interval.low, got.interval.high) == pytest.approx(want, rel=1e-10, abs=1e-12)
    assert "Wilson" in got.method


def test_its_complement_in_points_is_turned_and_scaled() -> None:
    y = (np.arange(30) < 7).astype(float)
    combine = Binary("*", Number(100.0), minus(Number(1.0), Term(0)))
    got = infer(sample(y, combine, events=(True,)), Options("wilson")).interval
    low, high = proportion_confint(7, 30, method="wilson")
    assert got is not None
    assert (got.low, got.high) == pytest.approx((100 * (1 - high), 100 * (1 - low)))


def test_its_p_is_that_of_the_score_test() -> None:
    from statsmodels.stats.proportion import proportions_ztest

    y = (np.arange(50) < 33).astype(float)
    got = infer(sample(y, events=(True,)), Options("wilson"))
    for at in (0.3, 0.5, 0.7):
        want = proportions_ztest(33, 50, at, alternative="larger", prop_var=at)[1]
        assert got.p_inside(above(at)) == pytest.approx(want, rel=1e-8)


def test_on_clusters_the_cluster_is_the_unit() -> None:
    y = np.repeat(np.arange(40) % 2, 5).astype(float)
    cluster = np.repeat(np.arange(40), 5)
    alone, together = (infer(sample(y, events=(True,), cluster=c), Options()) for c in (None, cluster))
    assert alone.interval is not None
    assert together.interval is not None
    ratio = (together.interval.high - together.interval.low) / (alone.interval.high - alone.interval.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.07)  # t of 39 against normal, no shrinking
    assert "cluster-robust" in together.method


def test_clusters_that_all_agree_are_counted() -> None:
    cluster = np.repeat(np.arange(30), 4)
    got = infer(sample(np.ones(120), FIRST, events=(True,), cluster=cluster), Options())
    assert got.interval is not None
    low = proportion_confint(29.75, 30, method="wilson")[0]
    assert (got.interval.low, got.interval.high) == pytest.approx((low, 1.0))


@pytest.mark.parametrize("n", [30, 50, 200, 2000])
def test_the_default_covers_whatever_the_probability_is(n: int) -> None:
    """Exactly: every count with its chance. Wilson's interval alone does not."""
    p, k = np.linspace(0.02, 0.98, 481), np.arange(n + 1)
    chance = stats.binom.pmf(k[:, None], n, p)
    covers = []
    for moved in (QUARTER, 0.0):
        low, high = wilson_ends(k / n, np.full(n + 1, float(n)), 0.025, moved)
        covers.append((chance * ((low[:, None] <= p) & (p <= high[:, None]))).sum(axis=0))
    assert covers[0].min() >= 0.939
    assert covers[0][(p >= 0.1) & (p <= 0.9)].min() >= 0.94
    assert (covers[0] >= covers[1] - 1e-12).all()
    if n < 200:
        assert covers[1].min() < 0.925


@pytest.mark.parametrize("count", [0, 1, 7, 15, 30])
def test_the_default_is_wilsons_with_its_ends_a_quarter_of_a_row_further_out(count: int) -> None:
    y = (np.arange(30) < count).astype(float)
    got = infer(sample(y, events=(True,)), Options()).interval
    assert got is not None
    low = proportion_confint(max(count - 0.25, 0), 30, method="wilson")[0] if count else 0.0
    high = proportion_confint(min(count + 0.25, 30), 30, method="wilson")[1] if count < 30 else 1.0
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-12)
    wider = [infer(sample(y, events=(True,)), Options(level=level)).interval for level in (0.5, 0.8, 0.95, 0.999)]
    lows, highs = [w.low for w in wider if w], [w.high for w in wider if w]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)


def test_a_difference_of_probabilities_is_paired() -> None:
    rng = np.random.default_rng(2)
    y = (rng.random((60, 2)) < [0.7, 0.4]).astype(float)
    got = infer(sample(y, minus(Term(0), Term(1)), events=(True, True)), Options())
    assert got.value == pytest.approx(y[:, 0].mean() - y[:, 1].mean())
    assert got.method.startswith("paired t")
