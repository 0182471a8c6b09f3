"""Estimands that are no linear form: corners by interval arithmetic, smooth ones by the jackknife."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.inference import infer
from causalcircuit.query import Binary, Expr, Interval, Negative, Number, Options
from tests.inference.making import DIFFERENCE, FIRST, RATIO, SECOND, call, minus, pairs, power, sample


def interval(combine: Expr, y: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    got = infer(sample(y, combine), Options(level=level)).interval
    assert got is not None
    return got.low, got.high


def test_an_absolute_value_folds_the_interval_of_half_the_error() -> None:
    for means in ((2.0, 1.0), (1.0, 2.0), (1.0, 1.0)):
        y = pairs(means=means)
        low, high = interval(DIFFERENCE, y, 0.975)
        folded = (max(low, -high, 0.0), max(abs(low), abs(high)))
        assert interval(call("abs", DIFFERENCE), y) == pytest.approx(folded)
        for square in (power(DIFFERENCE, 2), Binary("*", DIFFERENCE, DIFFERENCE)):
            assert interval(square, y) == pytest.approx([x**2 for x in folded])


def test_a_true_zero_is_covered() -> None:
    rng = np.random.default_rng(0)
    hits = [interval(call("abs", FIRST), rng.normal(size=30))[0] <= 0 for _ in range(400)]
    assert np.mean(hits) >= 0.95


def test_a_maximum_rests_on_simultaneous_intervals() -> None:
    y = pairs(means=(2.0, 1.9))
    ends = [interval(part, y, 1 - 0.05 / 4) for part in (FIRST, SECOND)]
    assert interval(call("max", FIRST, SECOND), y) == pytest.approx(np.max(ends, axis=0))
    assert interval(call("min", FIRST, SECOND), y) == pytest.approx(np.min(ends, axis=0))
    assert infer(sample(y, call("max", FIRST, SECOND)), Options()).value == pytest.approx(y.mean(axis=0).max())


def test_arithmetic_around_a_corner() -> None:
    y = pairs(means=(2.0, 0.0))
    low, high = interval(call("abs", SECOND), y)
    turned = minus(Number(3.0), Binary("*", Number(2.0), call("abs", SECOND)))
    assert interval(turned, y) == pytest.approx((3 - 2 * high, 3 - 2 * low))
    assert interval(Negative(call("abs", SECOND)), y) == pytest.approx((-high, -low))
    assert interval(call("exp", call("abs", SECOND)), y) == pytest.approx((np.exp(low), np.exp(high)))


def test_division_by_what_may_be_zero_is_undefined() -> None:
    got = infer(sample(pairs(means=(2.0, 0.0)), Binary("/", FIRST, call("abs", SECOND))), Options())
    assert got.interval is None
    assert got.reason
    low, high = interval(Binary("/", Number(1.0), call("abs", FIRST)), pairs(means=(4.0, 0.0)))
    inner = interval(call("abs", FIRST), pairs(means=(4.0, 0.0)))
    assert (low, high) == pytest.approx((1 / inner[1], 1 / inner[0]))


@pytest.mark.parametrize(
    ("combine", "value", "gradient"),
    [
        (Binary("*", FIRST, SECOND), lambda a, b: a * b, lambda a, b: (b, a)),
        (call("log", RATIO), lambda a, b: np.log(a / b), lambda a, b: (1 / a, -1 / b)),
        (call("exp", DIFFERENCE), lambda a, b: np.exp(a - b), lambda a, b: (np.exp(a - b), -np.exp(a - b))),
        (power(FIRST, 3), lambda a, b: a**3, lambda a, b: (3 * a**2, 0.0)),
        (power(FIRST, 0.5), lambda a, b: a**0.5, lambda a, b: (0.5 / a**0.5, 0.0)),
        (
            minus(RATIO, Binary("/", SECOND, FIRST)),
            lambda a, b: a / b - b / a,
            lambda a, b: (1 / b + b / a**2, -a / b**2 - 1 / a),
        ),
    ],
)
def test_smooth_arithmetic_is_the_delta_method_up_to_a_share_of_one_in_n(combine, value, gradient) -> None:  # type: ignore[no-untyped-def]
    y = pairs(2000, means=(2.0, 3.0))
    m = y.mean(axis=0)
    slope = np.array(gradient(*m))
    se = np.sqrt(slope @ np.cov(y.T) @ slope / 2000)
    got = infer(sample(y, combine), Options("delta"))
    assert got.value == pytest.approx(value(*m))
    assert got.interval is not None
    assert (got.interval.high - got.interval.low) / 2 == pytest.approx(1.961 * se, rel=0.01)


@pytest.mark.parametrize(
    ("combine", "words"),
    [
        (call("log", SECOND), "the part under the logarithm is -"),
        (power(SECOND, 0.5), "the part under the root is -"),
        (Binary("*", FIRST, call("log", Binary("+", SECOND, Number(1.1)))), "interval of the part under the logarithm"),
        (Binary("*", FIRST, Binary("/", FIRST, Binary("+", SECOND, Number(1.1)))), "interval of the denominator"),
        (call("exp", Binary("*", Number(1e4), FIRST)), "too large"),
    ],
)
def test_what_has_no_value_says_which_part(combine: Expr, words: str) -> None:
    got = infer(sample(pairs(means=(2.0, -1.0)), combine), Options())
    assert got.value is None
    assert got.interval is None
    assert words in got.reason


def test_numbers_alone_need_no_rows() -> None:
    got = infer(sample(pairs(), Binary("+", Number(1.0), Number(2.0))), Options())
    assert (got.value, got.interval) == (3.0, Interval(3.0, 3.0))
    assert infer(sample(pairs(), Binary("/", Number(1.0), Number(0.0))), Options()).value is None


def test_a_population_has_a_value_and_no_interval() -> None:
    y = pairs()
    got = infer(sample(y, RATIO), Options(population=True))
    assert got.value == pytest.approx(y[:, 0].mean() / y[:, 1].mean())
    assert got.interval is None
    assert "exact" in got.method
