"""Means and differences against scipy, and the jackknife against its definition."""

import numpy as np
import pytest
from scipy import stats

from causalcircuit.inference import infer
from causalcircuit.query import Binary, Number, Options, Term
from tests.inference.making import DIFFERENCE, FIRST, above, below, pairs, sample

STUDENT = Options("student")


def test_a_paired_contrast_is_the_paired_t_test() -> None:
    y = pairs()
    got, want = infer(sample(y, DIFFERENCE), STUDENT), stats.ttest_rel(y[:, 0], y[:, 1])
    assert got.interval is not None
    assert (got.interval.low, got.interval.high) == pytest.approx(tuple(want.confidence_interval(0.95)), rel=1e-12)
    assert (got.n, got.clusters, got.df) == (40, None, 39)
    assert got.method == "paired t"


@pytest.mark.parametrize("at", [-0.5, 0.0, 0.7, 1.3, 4.0])
def test_p_values_by_inversion_are_those_of_the_t_test(at: float) -> None:
    y = pairs()
    got = infer(sample(y, DIFFERENCE), STUDENT)
    for region, alternative in ((above(at), "greater"), (below(at), "less")):
        want = stats.ttest_1samp(y[:, 0] - y[:, 1], at, alternative=alternative).pvalue
        assert got.p_inside(region) == pytest.approx(want, rel=1e-9)


def test_a_linear_combination_is_one_number_a_row() -> None:
    y = pairs()
    combine = Binary(
        "+", Binary("*", Number(3.0), Term(0)), Binary("-", Number(1.0), Binary("/", Term(1), Number(2.0)))
    )
    want = stats.ttest_1samp(3 * y[:, 0] + 1 - y[:, 1] / 2, 0).confidence_interval(0.9)
    got = infer(sample(y, combine), Options("student", level=0.9)).interval
    assert got is not None
    assert (got.low, got.high) == pytest.approx(tuple(want), rel=1e-12)


def test_a_subgroup_mean_is_the_t_interval_of_its_rows() -> None:
    y = pairs()[:, 0]
    mask = (np.arange(40) % 3 == 0)[:, None]
    got = infer(sample(y, mask=mask), STUDENT)
    want = stats.ttest_1samp(y[mask[:, 0]], 0).confidence_interval(0.95)
    assert got.interval is not None
    assert (got.interval.low, got.interval.high) == pytest.approx(tuple(want), rel=1e-12)
    assert (got.n, got.df) == (14, 13)


def test_two_groups_are_no_narrower_than_welch() -> None:
    y = pairs()[:, 0]
    first = np.arange(40) < 12
    got = infer(sample(np.stack([y, y], 1), DIFFERENCE, mask=np.stack([first, ~first], 1)), STUDENT)
    welch = stats.ttest_ind(y[first], y[~first], equal_var=False).confidence_interval(0.95)
    assert got.interval is not None
    assert got.value == pytest.approx(y[first].mean() - y[~first].mean())
    assert 1 <= (got.interval.high - got.interval.low) / (welch.high - welch.low) < 1.1
    assert got.df == 11


def test_equal_clusters_are_the_t_interval_of_their_means() -> None:
    y = pairs(60)[:, 0]
    cluster = np.arange(60) % 12
    got = infer(sample(y, cluster=cluster), STUDENT)
    means = np.array([y[cluster == g].mean() for g in range(12)])
    want = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert got.interval is not None
    assert (got.interval.low, got.interval.high) == pytest.approx(tuple(want), rel=1e-12)
    assert (got.clusters, got.df) == (12, 11)


@pytest.mark.parametrize("weighted", [False, True])
def test_unequal_clusters_are_the_jackknife_over_them(weighted: bool) -> None:
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(31), rng.integers(1, 6, 31))
    y = rng.normal(size=len(cluster)) + rng.normal(size=31)[cluster]
    w = rng.uniform(0.5, 2.0, len(cluster)) if weighted else np.ones(len(cluster))
    whole = np.average(y, weights=w)
    left_out = np.array([np.average(y[cluster != g], weights=w[cluster != g]) for g in range(31)])
    se = np.sqrt(30 / 31 * ((left_out - whole) ** 2).sum())
    got = infer(sample(y, cluster=cluster, weight=w if weighted else None), STUDENT)
    assert got.interval is not None
    assert got.value == pytest.approx(whole, rel=1e-12)
    assert (got.interval.high - got.interval.low) / 2 == pytest.approx(stats.t.ppf(0.975, 30) * se, rel=1e-12)


def test_the_jackknife_is_near_the_usual_cluster_robust_error() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    cluster = np.repeat(np.arange(200), rng.integers(2, 6, 200))
    y = rng.normal(size=len(cluster)) + rng.normal(size=200)[cluster]
    fit = sm.OLS(y, np.ones(len(y))).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    low, high = fit.conf_int()[0]
    got = infer(sample(y, cluster=cluster), STUDENT).interval
    assert got is not None
    assert 1 <= (got.high - got.low) / (high - low) < 1.02


def test_the_default_lengthens_the_side_of_the_long_tail_by_johnsons_term() -> None:
    y = np.random.default_rng(5).exponential(size=30)
    plain, got = infer(sample(y), STUDENT).interval, infer(sample(y), Options()).interval
    assert plain is not None
    assert got is not None
    q, se = stats.t.ppf(0.975, 29), stats.sem(y)
    skewness = 1.5 * stats.skew(y, bias=False)
    assert got.low == plain.low
    assert got.high == pytest.approx(plain.high + se * skewness * (1 + 2 * q**2) / (6 * np.sqrt(30)), rel=1e-12)


def test_symmetric_rows_get_students_interval() -> None:
    half = np.random.default_rng(6).normal(size=20)
    y = np.concatenate([half, -half])
    plain, got = infer(sample(y), STUDENT).interval, infer(sample(y), Options()).interval
    assert plain is not None
    assert got is not None
    assert (got.low, got.high) == pytest.approx((plain.low, plain.high), rel=1e-12)


def test_no_variation_gives_no_width_and_a_note() -> None:
    values = np.stack([np.arange(10) * 0.1 + 0.3, np.arange(10) * 0.1], 1)
    got = infer(sample(values, DIFFERENCE), Options())
    assert got.value == pytest.approx(0.3)
    assert got.interval is not None
    assert got.interval.low == got.interval.high == got.value
    assert [(d.code, d.severity) for d in got.warnings] == [("CQ611", "note")]
    assert "identical in 100% of rows" in got.warnings[0].message


def test_one_row_or_one_cluster_is_no_sample() -> None:
    for one in (sample([3.0]), sample([1.0, 2.0, 3.0], cluster=np.zeros(3, np.intp))):
        got = infer(one, Options())
        assert got.value is not None
        assert got.interval is None
        assert "at least two" in got.reason


def test_large_offsets_do_not_eat_the_variance() -> None:
    y = pairs()[:, 0]
    near, far = infer(sample(y), STUDENT).interval, infer(sample(y + 1e9), STUDENT).interval
    assert near is not None
    assert far is not None
    assert far.high - far.low == pytest.approx(near.high - near.low, rel=1e-6)


def test_one_mean_has_no_pair() -> None:
    assert infer(sample(pairs(), FIRST), STUDENT).method == "t"
