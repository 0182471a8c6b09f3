"""Fieller's set against its closed form, and where there is none."""

import numpy as np
import pytest
from scipy import stats

from causalcircuit.inference import infer
from causalcircuit.query import Binary, Negative, Number, Options, Term
from tests.inference.making import DIFFERENCE, FIRST, RATIO, SECOND, above, minus, pairs, sample


def closed_form(y: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The roots of (N − ρD)² = t² Var(N − ρD) (Fieller 1954)."""
    n = len(y)
    q2 = stats.t.ppf((1 + level) / 2, n - 1) ** 2
    [[nn, nd], [_, dd]] = np.cov(y.T) / n
    a, b = y.mean(axis=0)
    low, high = sorted(np.roots([b**2 - q2 * dd, -2 * (a * b - q2 * nd), a**2 - q2 * nn]))
    return float(low), float(high)


@pytest.mark.parametrize("means", [(2.0, 1.0), (-2.0, 1.0), (2.0, -1.0), (0.0, 0.6), (-3.0, -5.0)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_fieller_is_its_closed_form(means: tuple[float, float], level: float) -> None:
    y = pairs(means=means)
    got = infer(sample(y, RATIO), Options("fieller", level=level)).interval
    assert got is not None
    assert (got.low, got.high) == pytest.approx(closed_form(y, level), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n", [12, 40])
def test_p_of_a_ratio_is_that_of_the_linear_contrast(n: int) -> None:
    y = pairs(n, means=(2.0, 3.0))
    got = infer(sample(y, RATIO), Options("fieller")).p_inside(above(0.3))
    want = stats.ttest_1samp(y[:, 0] - 0.3 * y[:, 1], 0, alternative="greater").pvalue
    assert got == pytest.approx(want, rel=1e-8)


def test_the_default_is_the_set_of_ratios_whose_contrast_may_be_zero() -> None:
    y = np.random.default_rng(8).exponential(size=(30, 2)) + np.array([0.5, 1.0])
    got = infer(sample(y, RATIO), Options()).interval
    assert got is not None
    for end, side in ((got.low, -1), (got.high, 1)):
        for step, belongs in ((-1e-6, True), (1e-6, False)):
            contrast = infer(sample(y[:, 0] - (end + side * step) * y[:, 1]), Options()).interval
            assert contrast is not None
            assert (contrast.low <= 0 <= contrast.high) == belongs


def test_a_denominator_near_zero_leaves_the_ratio_undefined() -> None:
    for method in ("default", "fieller", "bca"):
        got = infer(sample(pairs(means=(2.0, 0.1)), RATIO), Options(method, seed=1))
        assert (got.value, got.interval) == (None, None)
        assert got.reason.startswith("undefined: the 95% interval of the denominator, [")
        assert got.reason.endswith("], holds 0")
        assert got.p_inside(above(0.0)) > 0.025  # pyright: ignore[reportOptionalOperand]


def test_the_same_ratio_may_be_defined_at_a_lower_level() -> None:
    y = pairs(means=(2.0, 0.35))
    got = infer(sample(y, RATIO), Options(level=0.999))
    assert got.value is None
    assert got.interval_at(0.5) is not None


def test_a_denominator_of_exactly_zero() -> None:
    y = np.stack([np.arange(10.0), np.tile([1.0, -1.0], 5)], 1)
    assert infer(sample(y, RATIO), Options()).reason == "undefined: the denominator is 0"


def test_what_is_a_ratio_in_other_words_gets_the_same_set() -> None:
    y = pairs(means=(2.0, 3.0))
    plain = infer(sample(y, RATIO), Options("fieller")).interval
    assert plain is not None
    rest = infer(sample(y, minus(Number(1.0), RATIO)), Options("fieller")).interval
    assert rest is not None
    assert (rest.low, rest.high) == pytest.approx((1 - plain.high, 1 - plain.low))
    turned = infer(sample(y, Binary("/", Negative(SECOND), FIRST)), Options("fieller")).interval
    assert turned is not None
    assert (turned.low, turned.high) == pytest.approx((-1 / plain.low, -1 / plain.high))


def test_a_ratio_of_contrasts() -> None:
    base = pairs(50, means=(2.0, 3.0))
    shift = np.random.default_rng(9).normal(size=(50, 1))
    y = np.concatenate([base + shift, shift], axis=1)
    combine = Binary("/", Binary("-", Term(0), Term(2)), Binary("-", Term(1), Term(2)))
    got = infer(sample(y, combine), Options("fieller")).interval
    assert got is not None
    assert (got.low, got.high) == pytest.approx(closed_form(base), rel=1e-9)


def test_equal_clusters_are_their_means() -> None:
    y = pairs(60, means=(2.0, 3.0))
    cluster = np.arange(60) % 20
    means = np.stack([y[cluster == g].mean(axis=0) for g in range(20)])
    got = infer(sample(y, RATIO, cluster=cluster), Options("fieller")).interval
    assert got is not None
    assert (got.low, got.high) == pytest.approx(closed_form(means), rel=1e-9)


def test_a_ratio_without_variation_has_no_width() -> None:
    d = np.arange(1.0, 11.0)
    got = infer(sample(np.stack([2 * d, d], 1), RATIO), Options())
    assert got.interval is not None
    assert (got.interval.low, got.interval.high) == pytest.approx((2.0, 2.0), rel=1e-12)


def test_delta_is_near_fieller_for_a_firm_denominator() -> None:
    y = pairs(400, means=(20.0, 30.0))
    linearised = infer(sample(y, RATIO), Options("delta")).interval
    assert linearised is not None
    assert (linearised.low, linearised.high) == pytest.approx(closed_form(y), rel=1e-3)
    assert infer(sample(y, DIFFERENCE), Options("delta")).interval is not None
