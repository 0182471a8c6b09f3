"""`show … correct max_t`: intervals of a sweep that hold together as its members vary together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.query import Binary, Column, DataRef, Expect, Number, Options, OutcomeTable, Query
from causalcircuit.query.showing import Showing
from causalcircuit.runs.show import show

REF = DataRef("d", "jsonl", Path("d.jsonl"))


def asked(m: int, correction: str = "max_t", **more: object) -> Showing:
    """`show E[row.yj] - 0 for each j`."""
    queries = tuple(Query("effect", Binary("-", Expect(Column(f"y{j}")), Number(0.0))) for j in range(m))
    return Showing(queries, REF, Options(seed=7, **more), correction=correction)  # type: ignore[arg-type]


def table(y: np.ndarray) -> OutcomeTable:
    return OutcomeTable(np.arange(len(y)), {}, columns={f"y{j}": y[:, j] for j in range(y.shape[1])})


def alike(n: int, m: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.sqrt(rho) * rng.normal(size=(n, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n, m)))


def widths(y: np.ndarray, correction: str) -> list[float]:
    [found] = show(asked(y.shape[1], correction), table(y), {})
    assert found.correction == correction
    assert found.to_json()["correction"] == correction
    return [e.interval.high - e.interval.low for e in found.estimates if e.interval is not None]


def test_members_that_are_alike_have_narrower_intervals_than_bonferroni() -> None:
    rng = np.random.default_rng(0)
    same, apart = alike(60, 12, 0.95, rng), alike(60, 12, 0.0, rng)
    narrower = [a / b for a, b in zip(widths(same, "max_t"), widths(same, "holm"), strict=True)]
    assert max(narrower) < 0.9
    equal = [a / b for a, b in zip(widths(apart, "max_t"), widths(apart, "holm"), strict=True)]
    assert 0.97 < min(equal) <= max(equal) <= 1 + 1e-12


def test_copies_of_one_estimate_are_one_interval() -> None:
    y = np.repeat(np.random.default_rng(1).normal(size=(50, 1)), 6, axis=1)
    alone = widths(y[:, :1], "holm")[0]
    assert widths(y, "max_t") == pytest.approx([alone] * 6, rel=0.02)


def test_an_interval_leaves_0_out_where_the_smallest_adjusted_p_says_so() -> None:
    y = alike(80, 5, 0.5, np.random.default_rng(2)) + np.array([0.0, 0.1, 0.5, 0.0, 0.35])
    [found] = show(asked(5), table(y), {})
    first = int(np.argmin([1.0 if p is None else p for p in found.p_adjusted]))
    interval = found.estimates[first].interval
    adjusted = found.p_adjusted[first]
    assert interval is not None
    assert adjusted is not None
    assert (adjusted <= 0.05) == (interval.low > 0 or interval.high < 0)
    assert all(p <= q for p, q in zip(found.p, found.p_adjusted, strict=True) if p is not None and q is not None)


def test_all_intervals_hold_together_in_95_percent_of_samples() -> None:
    """8 members, correlated 0.7, 40 rows: 100 data sets."""
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(100):
        [found] = show(replace(asked(8)), table(alike(40, 8, 0.7, rng)), {})
        hits.append(all(e.interval is not None and e.interval.low <= 0 <= e.interval.high for e in found.estimates))
    assert 0.95 - 3 * (0.95 * 0.05 / 100) ** 0.5 <= np.mean(hits) <= 1


def test_a_population_has_nothing_to_hold_together() -> None:
    y = np.random.default_rng(4).normal(size=(30, 3))
    [found] = show(asked(3, population=True), table(y), {})
    assert [e.interval for e in found.estimates] == [None] * 3
