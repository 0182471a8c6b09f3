"""Correlations against numpy and scipy, their interval by simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import Sample, infer, sample_of
from causalcircuit.query import Binary, Column, Options, OutcomeTable
from causalcircuit.query.summaries import correlation
from tests.inference.making import bootstrap

BOTH = correlation(Column("a"), Column("b"))


def made(a: np.ndarray, b: np.ndarray, **more: object) -> Sample:
    table = OutcomeTable(np.arange(len(a)), {}, columns={"a": a, "b": b}, **more)  # type: ignore[arg-type]
    return sample_of(BOTH, table)


def rows(n: int = 60, seed: int = 0, rho: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return a, rho * a + np.sqrt(1 - rho**2) * rng.normal(size=n)


def ends(sample: Sample, options: Options | None = None) -> tuple[float, float]:
    found = infer(sample, options or Options()).interval
    assert found is not None
    return found.low, found.high


def test_the_value_is_pearsons_wherever_the_zero_lies() -> None:
    a, b = rows()
    for shift in (0.0, 1e6):
        found = infer(made(a + shift, 1e-5 * b - shift), Options())
        assert found.value == pytest.approx(np.corrcoef(a + shift, 1e-5 * b - shift)[0, 1], abs=1e-9)
    w = np.random.default_rng(3).uniform(0.2, 3, 60)
    cov = np.cov(a, b, aweights=w)
    weighted = infer(made(a, b, weight=w), Options()).value
    assert weighted == pytest.approx(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]), abs=1e-12)


def test_of_many_normal_rows_it_is_fishers_interval() -> None:
    a, b = rows(5000)
    low, high = ends(made(a, b))
    want = stats.pearsonr(a, b).confidence_interval()
    assert (low, high) == pytest.approx((want.low, want.high), abs=0.003)


def test_resamples_are_those_of_pairs() -> None:
    a, b = rows(40)
    picked = np.random.default_rng(7).integers(0, 40, (999, 40))
    ranked = np.sort([np.corrcoef(a[p], b[p])[0, 1] for p in picked])
    assert ends(made(a, b), bootstrap("percentile", 999)) == pytest.approx((ranked[24], ranked[974]), abs=1e-12)


def test_clusters_of_copies_are_worth_one_row_each() -> None:
    a, b = rows(40)
    many = made(np.repeat(a, 6), np.repeat(b, 6), cluster=np.repeat(np.arange(40), 6))
    assert ends(many) == pytest.approx(ends(made(a, b)), rel=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_it_covers_where_the_textbook_does_not(rho: float) -> None:
    """Skewed rows, 30 of them: 1/sqrt(n - 3) is too small a standard error."""
    rng = np.random.default_rng(12)
    hits, textbook = [], []
    for _ in range(700):
        a = rng.exponential(size=30) - 1
        b = rho * a + np.sqrt(1 - rho**2) * (rng.exponential(size=30) - 1)
        low, high = ends(made(a, b))
        hits.append(low <= rho <= high)
        other = stats.pearsonr(a, b).confidence_interval()
        textbook.append(other.low <= rho <= other.high)
    error = (0.94 * 0.06 / 700) ** 0.5
    assert np.mean(hits) >= 0.94 - 3 * error
    if rho:
        assert np.mean(textbook) < 0.9


def test_intervals_are_nested_inside_minus_1_and_1() -> None:
    a, b = rows(12, rho=0.97)
    within = [ends(made(a, b), Options(level=level)) for level in (0.5, 0.9, 0.99, 0.9999)]
    assert all(p[0] > q[0] and p[1] < q[1] for p, q in pairwise(within))
    assert within[-1][0] >= -1
    assert within[-1][1] <= 1


@pytest.mark.parametrize(("a", "reason"), [(np.full(9, 3.0), "does not vary"), (np.eye(9)[0], "would not vary")])
def test_a_side_that_hardly_varies_leaves_no_interval(a: np.ndarray, reason: str) -> None:
    found = infer(made(a, np.arange(9.0)), Options())
    assert found.interval is None
    assert reason in found.reason


def test_a_perfect_correlation_says_so() -> None:
    found = infer(made(np.arange(9.0), 2 * np.arange(9.0)), Options())
    assert found.value == pytest.approx(1.0)
    assert found.interval is None
    assert "r is 1" in found.reason


def test_differences_of_correlations_and_other_methods() -> None:
    a, b = rows(200)
    table = OutcomeTable(
        np.arange(200), {}, columns={"a": a, "b": b, "c": b + np.random.default_rng(1).normal(size=200)}
    )
    difference = Binary("-", BOTH, correlation(Column("a"), Column("c")))
    found = infer(sample_of(difference, table), Options())
    want = np.corrcoef(a, b)[0, 1] - np.corrcoef(a, table.columns["c"])[0, 1]
    assert found.value == pytest.approx(want)
    assert found.interval is not None
    for options in (Options("delta"), bootstrap("studentised"), bootstrap("bca")):
        assert ends(made(a, b), options) == pytest.approx(ends(made(a, b)), abs=0.05)
    with pytest.raises(DiagnosticError, match="CQ607"):
        infer(made(a, b), Options("student"))
