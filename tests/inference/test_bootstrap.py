"""The bootstrap against scipy's, over clusters, under seeds and Ctrl-C."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from causalcircuit.inference import Problem, Shape, _bootstrap, infer
from causalcircuit.inference._units import units_in
from causalcircuit.query import Interval, Options
from tests.inference.making import BOOTSTRAPS, DIFFERENCE, RATIO, above, bootstrap, pairs, sample


def skewed(n: int = 50) -> np.ndarray:
    return np.random.default_rng(1).exponential(size=n)


def interval(got: Interval | None) -> tuple[float, float]:
    assert got is not None
    return got.low, got.high


@pytest.mark.parametrize(("method", "name"), [("bca", "BCa"), ("percentile", "percentile"), ("basic", "basic")])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_on_the_same_replicates_it_is_scipys(method: str, name: str, level: float) -> None:
    chosen = sample(skewed())
    shape = Shape(chosen.combine, chosen.events)
    drawn = _bootstrap.replicates(Problem(shape, units_in(chosen)), 20_000, 7)
    empty = stats.bootstrap((skewed(),), np.mean, n_resamples=2, method="percentile", rng=np.random.default_rng(0))
    want = stats.bootstrap(
        (skewed(),),
        np.mean,
        n_resamples=0,
        method=name,
        confidence_level=level,
        bootstrap_result=replace(empty, bootstrap_distribution=drawn),
    )
    got = interval(infer(chosen, bootstrap(method, 20_000, level=level)).interval)
    # scipy interpolates between ranks, here the outer rank is taken
    assert got == pytest.approx(tuple(want.confidence_interval), abs=0.03 * stats.sem(skewed()))
    assert drawn.std() == pytest.approx(stats.sem(skewed()), rel=0.03)


@pytest.mark.parametrize("method", BOOTSTRAPS)
def test_a_seed_repeats_and_another_does_not(method: str) -> None:
    first, again, other = (interval(infer(sample(skewed()), bootstrap(method, 999, s)).interval) for s in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("method", BOOTSTRAPS)
def test_whole_clusters_are_drawn(method: str) -> None:
    means = skewed(40)
    copies, cluster = np.repeat(means, 5), np.repeat(np.arange(40), 5)
    whole = interval(infer(sample(copies, cluster=cluster), bootstrap(method)).interval)
    assert whole == pytest.approx(interval(infer(sample(means), bootstrap(method)).interval), rel=1e-9)


def test_the_size_of_chunks_is_no_part_of_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = interval(infer(sample(skewed()), bootstrap()).interval)
    monkeypatch.setattr(_bootstrap, "_AT_ONCE", 1234)
    assert interval(infer(sample(skewed()), bootstrap()).interval) == whole


def test_the_same_draws_serve_every_estimand() -> None:
    y = pairs(50)
    first = infer(sample(y, DIFFERENCE), bootstrap("percentile"))
    second = infer(sample(y[:, 0] - y[:, 1]), bootstrap("percentile"))
    both = infer(sample(2 * y, DIFFERENCE), bootstrap("percentile"))
    assert interval(first.interval) == pytest.approx(interval(second.interval), rel=1e-9)
    assert interval(both.interval) == pytest.approx([2 * x for x in interval(first.interval)], rel=1e-9)


def test_a_ratio_is_near_fieller() -> None:
    y = pairs(200, means=(2.0, 3.0))
    exact = interval(infer(sample(y, RATIO), Options("fieller")).interval)
    assert interval(infer(sample(y, RATIO), bootstrap()).interval) == pytest.approx(exact, rel=0.03)


def test_ctrl_c_gets_through_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def interrupted(self: object, chosen: np.ndarray) -> np.ndarray:
        drawn.append(len(chosen))
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return np.zeros((len(chosen), 1))

    monkeypatch.setattr(_bootstrap, "_AT_ONCE", 5_000)
    monkeypatch.setattr("causalcircuit.inference._units.Units.resampled", interrupted)
    with pytest.raises(KeyboardInterrupt):
        infer(sample(skewed()), bootstrap())
    assert drawn == [100, 100, 100]


def test_under_20_clusters_the_t_interval_takes_over_and_says_so() -> None:
    cluster = np.repeat(np.arange(19), 4)
    y = np.random.default_rng(4).normal(size=76)
    asked = infer(sample(y, cluster=cluster), bootstrap())
    plain = infer(sample(y, cluster=cluster), Options())
    assert asked.interval == plain.interval
    assert asked.df == 18
    assert [d.code for d in asked.warnings] == ["CQ610"]
    assert "19 clusters" in asked.warnings[0].message
    assert [d.code for d in plain.warnings] == ["CQ609"]


@pytest.mark.parametrize(("clusters", "codes"), [(20, ["CQ609"]), (29, ["CQ609"]), (30, [])])
def test_under_30_clusters_there_is_a_warning(clusters: int, codes: list[str]) -> None:
    y = np.random.default_rng(4).normal(size=4 * clusters)
    got = infer(sample(y, cluster=np.arange(4 * clusters) % clusters), bootstrap())
    assert [d.code for d in got.warnings] == codes
    assert got.method == "BCa bootstrap of clusters, 2000 resamples"


def test_a_condition_that_is_lost_in_a_resample_leaves_no_interval() -> None:
    mask = np.zeros((40, 1), np.bool_)
    mask[:3] = True
    got = infer(sample(np.arange(40.0), mask=mask), bootstrap())
    assert got.value == 1.0
    assert got.interval is None
    assert "a condition without rows" in got.reason


def test_too_few_resamples_for_a_level_leave_no_interval() -> None:
    got = infer(sample(skewed()), bootstrap(resamples=399, level=0.9999))
    assert got.interval is None
    assert got.reason == "399 resamples do not reach into its tails"
    assert got.interval_at(0.95) is not None


def test_the_smallest_p_is_one_in_the_resamples() -> None:
    got = infer(sample(skewed() + 100), bootstrap("percentile", 999))
    assert got.p_inside(above(0.0)) == pytest.approx(1 / 1000)
