"""What must hold whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causalcircuit.inference import Inferred, infer
from causalcircuit.query import Binary, Expr, Interval, Number, Options
from tests.inference.making import DIFFERENCE, FIRST, RATIO, bootstrap, call, moved, power, sample

METHODS = [Options("student"), Options(), bootstrap("bca", 399), bootstrap("percentile", 399), bootstrap("basic", 399)]
ANALYTIC = [Options("student"), Options()]
LEVELS = (0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99)


def columns(k: int = 2) -> st.SearchStrategy[np.ndarray]:
    """[n, k] numbers that vary."""
    numbers = st.integers(-300, 300).map(lambda i: i / 16)
    varied = arrays(np.float64, st.tuples(st.integers(8, 25), st.just(k)), elements=numbers)
    return varied.filter(lambda y: bool((y.std(axis=0) > 0.5).all()) and len(set((y[:, 0] - y[:, -1]).round(6))) > 3)


def ends(x: Inferred | Interval | None) -> list[float]:
    interval = x.interval if isinstance(x, Inferred) else x
    assume(interval is not None)
    assert interval is not None
    return [interval.low, interval.high]


@pytest.mark.parametrize("options", METHODS, ids=lambda o: o.method)
@settings(max_examples=25)
@given(y=columns(), shift=st.floats(-50, 50), factor=st.floats(0.1, 20))
def test_shifting_and_scaling_rows_shifts_and_scales_the_interval(
    options: Options, y: np.ndarray, shift: float, factor: float
) -> None:
    before = ends(infer(sample(y[:, 0] - y[:, 1]), options))
    after = ends(infer(sample(factor * (y[:, 0] - y[:, 1]) + shift), options))
    assert after == pytest.approx([factor * x + shift for x in before], rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("options", ANALYTIC, ids=lambda o: o.method)
@settings(max_examples=25)
@given(y=columns())
def test_turning_the_sign_turns_the_interval(options: Options, y: np.ndarray) -> None:
    low, high = ends(infer(sample(y, DIFFERENCE), options))
    assert ends(infer(sample(y[:, ::-1], DIFFERENCE), options)) == pytest.approx([-high, -low], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("combine", [FIRST, DIFFERENCE, RATIO], ids=["mean", "difference", "ratio"])
@settings(max_examples=25)
@given(y=columns(), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_of_clusters_never_matter(combine: Expr, y: np.ndarray, order: object) -> None:
    y = moved(y, 0.0, 40.0)
    n = len(y)
    shuffled = list(range(n))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    cluster = np.arange(n) // 2
    for before, after in (
        (sample(y, combine), sample(y[shuffled], combine)),
        (sample(y, combine, cluster=cluster), sample(y[shuffled], combine, cluster=cluster.max() - cluster[shuffled])),
    ):
        assert ends(infer(before, Options())) == pytest.approx(ends(infer(after, Options())), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("combine", [FIRST, DIFFERENCE, RATIO], ids=["mean", "difference", "ratio"])
@pytest.mark.parametrize("method", ["default", "delta"])
@settings(max_examples=25)
@given(y=columns())
def test_clusters_of_one_row_and_weights_of_one_change_nothing(combine: Expr, method: str, y: np.ndarray) -> None:
    y, options = moved(y, 0.0, 40.0), Options(method)
    plain = ends(infer(sample(y, combine), options))
    alone = infer(sample(y, combine, cluster=np.arange(len(y))), options)
    assert ends(alone) == pytest.approx(plain, rel=1e-9)
    assert ends(infer(sample(y, combine, weight=np.ones(len(y))), options)) == pytest.approx(plain, rel=1e-9)
    assert ends(infer(sample(y, combine, weight=np.full(len(y), 3.0)), options)) == pytest.approx(plain, rel=1e-9)


@settings(max_examples=25)
@given(y=columns())
def test_a_row_written_twice_in_its_cluster_is_a_row_of_weight_two(y: np.ndarray) -> None:
    twice, cluster = np.concatenate([y, y[:3]]), np.concatenate([np.arange(len(y)), np.arange(3)])
    weight = np.where(np.arange(len(y)) < 3, 2.0, 1.0)
    assert ends(infer(sample(twice, DIFFERENCE, cluster=cluster), Options())) == pytest.approx(
        ends(infer(sample(y, DIFFERENCE, weight=weight), Options())), rel=1e-9
    )


@settings(max_examples=25)
@given(y=columns())
def test_every_row_twice_under_clusters_adds_no_knowledge(y: np.ndarray) -> None:
    twice, cluster = np.concatenate([y, y]), np.concatenate([np.arange(len(y))] * 2)
    assert ends(infer(sample(twice, DIFFERENCE, cluster=cluster), Options())) == pytest.approx(
        ends(infer(sample(y, DIFFERENCE), Options())), rel=1e-9
    )


@settings(max_examples=25)
@given(y=columns())
def test_a_weight_of_zero_leaves_the_row_out(y: np.ndarray) -> None:
    weight = (np.arange(len(y)) > 1).astype(float)
    got = infer(sample(y, DIFFERENCE, weight=weight), Options())
    assert ends(got) == pytest.approx(ends(infer(sample(y[2:], DIFFERENCE), Options())), rel=1e-9)


KINDS: dict[str, Callable[[np.ndarray], object]] = {
    "mean": lambda y: sample(y, FIRST),
    "difference": lambda y: sample(y, DIFFERENCE),
    "ratio": lambda y: sample(moved(y, 0.0, 25.0), RATIO),
    "weak ratio": lambda y: sample(y, RATIO),
    "probability": lambda y: sample((y > 0).astype(float), FIRST, events=(True, True)),
    "product": lambda y: sample(y, Binary("*", FIRST, DIFFERENCE)),
    "absolute value": lambda y: sample(y, call("abs", DIFFERENCE)),
    "square": lambda y: sample(y, power(DIFFERENCE, 2)),
    "clusters": lambda y: sample(y, DIFFERENCE, cluster=np.arange(len(y)) // 2),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(y=columns())
def test_intervals_are_nested_in_the_level(kind: str, y: np.ndarray) -> None:
    check_nested(infer(KINDS[kind](y), Options()))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", METHODS[2:], ids=lambda o: o.method)
@settings(max_examples=25)
@given(y=columns())
def test_bootstrap_intervals_are_nested_in_the_level(options: Options, y: np.ndarray) -> None:
    check_nested(infer(sample(y, DIFFERENCE), options))


def check_nested(got: Inferred) -> None:
    inner: Interval | None = None
    for level in LEVELS:
        interval = got.interval_at(level)
        if interval is None:
            inner = None if inner is None else Interval(-np.inf, np.inf)
            continue
        assert interval.low <= interval.high + 1e-12
        if inner is not None:
            slack = 1e-9 * (1 + abs(inner.low) + abs(inner.high))
            assert interval.low <= inner.low + slack
            assert interval.high >= inner.high - slack
        inner = interval


@settings(max_examples=25)
@given(y=columns(), constant=st.floats(-5, 5))
def test_a_constant_shifts_a_ratio(y: np.ndarray, constant: float) -> None:
    y = moved(y, 0.0, 40.0)
    plus = infer(sample(y, Binary("+", RATIO, Number(constant))), Options())
    assert ends(plus) == pytest.approx(
        [x + constant for x in ends(infer(sample(y, RATIO), Options()))], rel=1e-7, abs=1e-7
    )
