"""Quantiles: their value, their exact interval, clusters, weights, resamples and differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import Sample, infer, sample_of
from causalcircuit.inference._order import linearised, quantiles
from causalcircuit.query import Binary, Call, Column, Expr, Number, Options, OutcomeTable, Term
from causalcircuit.query.summaries import quantile as asked
from tests.inference.making import bootstrap

DEFAULT, DELTA = Options(), Options("delta")


def one(y: np.ndarray, share: float = 0.5, **more: object) -> Sample:
    """A sample of `quantile(row.y, share)`, made as a run makes it."""
    return made({"y": y}, asked(Column("y"), share), **more)


def made(columns: dict[str, np.ndarray], estimand: Expr, **more: object) -> Sample:
    n = len(next(iter(columns.values())))
    return sample_of(estimand, OutcomeTable(np.arange(n), {}, columns=columns, **more))  # type: ignore[arg-type]


def ends(sample: Sample, options: Options = DEFAULT) -> tuple[float, float]:
    found = infer(sample, options).interval
    assert found is not None
    return found.low, found.high


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12), st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.9]))
@settings(max_examples=80)
def test_the_value_is_the_second_definition_of_hyndman_and_fan(y: list[int], share: float) -> None:
    values = np.array(y, dtype=np.float64)
    want = np.quantile(values, share, method="averaged_inverted_cdf")
    assert quantiles(values, np.ones((1, len(y))), share)[0] == pytest.approx(want)
    assert infer(one(values, share), Options(population=True)).value == pytest.approx(want)


@given(st.lists(st.integers(1, 4), min_size=6, max_size=6))
@settings(max_examples=30)
def test_whole_weights_count_rows_several_times(weight: list[int]) -> None:
    y = np.array([3.0, -1.0, 4.0, 1.5, 9.0, 2.0])
    want = np.quantile(np.repeat(y, weight), 0.5, method="averaged_inverted_cdf")
    found = infer(one(y, weight=np.array(weight, dtype=np.float64)), Options(population=True))
    assert found.value == pytest.approx(want)


@pytest.mark.parametrize(("n", "share"), [(30, 0.5), (41, 0.25), (60, 0.9)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_ends_are_the_widest_order_statistics_that_the_binomial_allows(n: int, share: float, level: float) -> None:
    y = np.random.default_rng(n).exponential(size=n)
    ranked, a = np.sort(y), (1 - level) / 2
    below = [r for r in range(1, n + 1) if stats.binom.cdf(r - 1, n, share) <= a]
    above = [r for r in range(1, n + 1) if stats.binom.sf(r - 1, n, share) <= a]
    assert ends(one(y, share), Options(level=level)) == (ranked[below[-1] - 1], ranked[above[0] - 1])


def test_it_covers_at_least_its_level_whatever_the_rows_are() -> None:
    rng = np.random.default_rng(7)
    for draw, truth in ((rng.standard_cauchy, 0.0), (lambda size: rng.integers(0, 3, size) * 1.0, 1.0)):
        hits = [low <= truth <= high for low, high in (ends(one(draw(size=25))) for _ in range(800))]
        assert np.mean(hits) >= 0.95 - 3 * (0.95 * 0.05 / 800) ** 0.5


def test_too_few_rows_for_a_tail_leave_no_interval() -> None:
    found = infer(one(np.arange(20.0), 0.95), DEFAULT)
    assert (found.value, found.interval) == (18.5, None)
    assert "20 rows are too few" in found.reason


def test_clusters_of_copies_are_worth_one_row_each() -> None:
    y = np.random.default_rng(2).normal(size=60)
    many = one(np.repeat(y, 5), cluster=np.repeat(np.arange(60), 5))
    low, high = ends(many)
    exact = ends(one(y))
    assert infer(many, DEFAULT).clusters == 60
    assert (low, high) == pytest.approx(exact, abs=0.25)
    assert high - low > 1.5 * (ends(one(np.repeat(y, 5)))[1] - ends(one(np.repeat(y, 5)))[0])


def test_intervals_are_nested_and_follow_the_scale() -> None:
    y = np.random.default_rng(4).lognormal(size=50)
    for sample in (one(y), one(y, cluster=np.arange(50) // 2), one(y, weight=np.linspace(1, 2, 50))):
        within = [ends(sample, Options(level=level)) for level in (0.5, 0.8, 0.9, 0.95)]
        assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(within))
    scaled = Binary("+", Number(3.0), Binary("*", Number(-2.0), asked(Column("y"), 0.5)))
    low, high = ends(one(y))
    assert ends(made({"y": y}, scaled)) == pytest.approx((3 - 2 * high, 3 - 2 * low))


def test_the_linearised_column_has_the_quantile_as_its_mean_and_its_error() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(size=4000)
    column = linearised(y, None, 0.5)
    assert column.mean() == pytest.approx(np.median(y), abs=1e-12)
    assert column.std() / np.sqrt(4000) == pytest.approx(np.sqrt(np.pi / 2) / np.sqrt(4000), rel=0.1)
    assert linearised(np.full(9, 2.0), None, 0.5).tolist() == [2.0] * 9


def test_a_difference_of_medians_on_the_same_rows_is_paired() -> None:
    """Two worlds that differ by a constant differ in their medians by it, surely; by noise, as the noise goes."""
    rng = np.random.default_rng(6)
    y = rng.normal(size=300)
    columns = {"a": y + 2.0, "b": y, "c": y[::-1].copy()}
    paired = made(columns, Binary("-", asked(Column("a"), 0.5), asked(Column("b"), 0.5)))
    assert ends(paired) == pytest.approx((2.0, 2.0))
    apart = infer(made(columns, Binary("-", asked(Column("a"), 0.5), asked(Column("c"), 0.5))), DEFAULT)
    assert apart.interval is not None
    width = apart.interval.high - apart.interval.low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(2 * np.pi / 2 / 300), rel=0.25)


def test_differences_of_tied_medians_are_carried_out_on_their_intervals() -> None:
    """Counts: there is no density at the median, and what is linearised by one covers 89% of 30 pairs."""
    rng = np.random.default_rng(10)
    hits = []
    for _ in range(400):
        a = rng.poisson(1.0, 30) * 1.0
        both = {"a": a, "b": a + rng.poisson(1.0, 30)}
        found = infer(made(both, Binary("-", asked(Column("b"), 0.5), asked(Column("a"), 0.5))), DEFAULT)
        assert found.interval is not None
        hits.append(found.interval.low <= 1.0 <= found.interval.high)
    assert "2 simultaneous intervals" in found.method
    assert np.mean(hits) >= 0.95


def test_resamples_go_back_to_the_rows() -> None:
    rng = np.random.default_rng(8)
    y, weight, cluster = rng.exponential(size=40), rng.uniform(0.5, 2, 40), np.arange(40) // 2
    sample = one(y, 0.7, weight=weight, cluster=cluster)
    picked = np.random.default_rng(7).integers(0, 20, (999, 20))
    by_hand = []
    for units in picked:
        rows = np.concatenate([np.flatnonzero(cluster == u) for u in units])
        by_hand.append(quantiles(y[rows], weight[rows][None], 0.7)[0])
    ranked = np.sort(by_hand)
    assert ends(sample, bootstrap("percentile", 999)) == pytest.approx((ranked[24], ranked[974]))


def test_where_all_resamples_have_the_median_the_interval_is_that_value() -> None:
    y = np.random.default_rng(11).poisson(1.0, 2000) * 1.0
    for method in ("bca", "percentile", "basic"):
        assert ends(one(y), bootstrap(method, 399)) == pytest.approx((1.0, 1.0), abs=1e-12)


def test_several_methods_agree_where_there_are_many_rows() -> None:
    y = np.random.default_rng(9).normal(size=900)
    exact = ends(one(y))
    for options in (DELTA, bootstrap("bca"), bootstrap("percentile"), bootstrap("basic")):
        assert ends(one(y), options) == pytest.approx(exact, abs=0.06)


@pytest.mark.parametrize("method", ["student", "fieller", "studentised", "permutation", "wilson", "fisher"])
def test_methods_of_means_refuse_a_quantile(method: str) -> None:
    with pytest.raises(DiagnosticError, match="CQ607"):
        infer(one(np.arange(30.0)), Options(method, seed=1))


def test_the_method_of_order_statistics_is_for_one_quantile() -> None:
    twice = Binary("-", asked(Column("y"), 0.9), asked(Column("y"), 0.1))
    with pytest.raises(DiagnosticError, match="no single quantile"):
        infer(made({"y": np.arange(30.0)}, twice), Options("order"))
    found = infer(made({"y": np.arange(300.0)}, Call("abs", (twice,))), DEFAULT)
    assert found.interval is not None
    assert found.interval.low < 240 < found.interval.high


def test_a_quantile_is_compiled_as_no_mean() -> None:
    sample = one(np.arange(9.0))
    assert sample.combine == Call("quantile", (Term(0), Number(0.5)))
    assert sample.events == (False,)
