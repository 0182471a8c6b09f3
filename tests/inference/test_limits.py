"""What is said of intervals that cover too little."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.inference import infer, sample_of
from causalcircuit.query import Column, Options, OutcomeTable
from causalcircuit.query.summaries import correlation
from tests.inference.making import RATIO, bootstrap, pairs, sample

SKEWED = np.random.default_rng(0).exponential(size=40)


def said(y: np.ndarray, options: Options, **more: object) -> list[str]:
    return [d.code for d in infer(sample(y, **more), options).warnings]


@pytest.mark.parametrize("method", ["student", "delta", "percentile", "basic", "bca", "bootstrap"])
def test_a_method_by_name_is_warned_of_where_a_few_rows_have_a_long_tail(method: str) -> None:
    options = Options(method) if method in ("student", "delta") else bootstrap(method)
    assert said(SKEWED, options) == ["CQ921"]
    assert said(np.random.default_rng(1).normal(size=40), options) == []
    assert said(np.tile(SKEWED, 5), options) == []  # 200 rows


def test_the_default_and_the_studentised_bootstrap_follow_the_tail() -> None:
    assert said(SKEWED, Options()) == []
    assert said(SKEWED, bootstrap("studentised")) == []


def test_fieller_is_told_of_skewed_ratios() -> None:
    y = np.stack([1 + SKEWED, pairs(40)[:, 0] + 5], axis=1)
    assert said(y, Options("fieller"), combine=RATIO) == ["CQ921"]
    assert said(pairs(40, means=(2.0, 9.0)), Options("fieller"), combine=RATIO) == []


@pytest.mark.parametrize("method", ["delta", "bca"])
def test_a_correlation_by_its_own_scale_is_told_of(method: str) -> None:
    a, b = pairs(40).T
    both = correlation(Column("a"), Column("b"))
    one = sample_of(both, OutcomeTable(np.arange(40), {}, columns={"a": a, "b": b}))
    options = Options(method) if method == "delta" else bootstrap(method)
    assert [d.code for d in infer(one, options).warnings] == ["CQ921"]
    assert infer(one, Options()).warnings == ()


def test_a_row_that_outweighs_all_others_is_told_of() -> None:
    y = np.random.default_rng(2).normal(size=30)
    y[4] = 40.0
    [found] = infer(sample(y), Options()).warnings
    assert found.code == "CQ922"
    assert "one of 30 rows carries 9" in found.message
    twice = np.repeat(y, 3)
    [found] = infer(sample(twice, cluster=np.arange(90) // 3), Options()).warnings
    assert "one of 30 clusters" in found.message
    assert said(np.eye(30)[0], Options(), events=(True,)) == []  # a rare event: Wilson's interval knows


def test_of_a_handful_of_rows_nothing_is_said() -> None:
    assert said(np.array([0.0, 0.0, 0.1, 0.2, 9.0]), Options("student")) == []
