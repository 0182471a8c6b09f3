"""Tests of a diagram: right ones are not contradicted, wrong ones are, functions of what is given are not tested."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.scm import falsify

RNG = np.random.default_rng(0)
N = 400
Z = RNG.integers(0, 3, N)
A = (RNG.random(N) < 0.2 + 0.2 * Z).astype(int)
B = (RNG.random(N) < 0.7 - 0.2 * Z).astype(int)
C = (RNG.random(N) < 0.2 + 0.5 * (A == B)).astype(int)
CELLS = {"Z": Z, "A": A, "B": B, "C": C}
U = RNG.normal(size=N)
LINES = {"U": U, "V": U + RNG.normal(size=N), "W": 2 * U + RNG.exponential(size=N)}


def test_a_right_diagram_is_not_contradicted_and_a_wrong_one_is() -> None:
    right = falsify(CELLS, "Z -> A, Z -> B, A -> C, B -> C")
    assert [str(t.statement) for t in right.tests] == ["A _||_ B | Z", "Z _||_ C | A, B"]
    assert right.contradicted == ()
    assert right.verdict == "not contradicted by 2 implied independences"
    wrong = falsify(CELLS, "Z -> A, A -> C, C -> B")
    assert {"A _||_ B | C"} <= {str(t.statement) for t in wrong.contradicted}
    assert wrong.verdict.startswith("contradicted")
    for t in right.tests:
        assert t.p is not None
        assert t.p_adjusted is not None
        assert t.p <= t.p_adjusted


def test_numbers_and_clusters() -> None:
    assert falsify(LINES, "U -> V, U -> W").contradicted == ()
    assert len(falsify(LINES, "V -> U, V -> W").contradicted) == 1
    unit = np.arange(N) // 4
    shared = RNG.normal(size=N)[unit]
    other = RNG.normal(size=N)[unit]
    table = {"X": shared, "Y": other + 0.1 * RNG.normal(size=N), "unit": unit}
    assert falsify(table, "X, Y", cluster="unit").clusters == 100
    alone, whole = falsify(table, "X, Y").tests[0].p, falsify(table, "X, Y", cluster="unit").tests[0].p
    assert alone is not None
    assert whole is not None
    assert whole > alone


def test_the_p_of_two_binary_columns_is_that_of_cochran_mantel_and_haenszel() -> None:
    from statsmodels.stats.contingency_tables import StratifiedTable

    tables = [np.array([[((i == A) & (j == B) & (z == Z)).sum() for j in (0, 1)] for i in (0, 1)]) for z in range(3)]
    expected = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    found = falsify({"Z": Z, "A": A, "B": B}, "Z -> A, Z -> B").tests[0]
    assert found.p == pytest.approx(float(expected), rel=1e-9)


def test_a_function_of_what_is_given_is_not_tested() -> None:
    found = falsify({"U": U, "V": 3 * U + 1, "W": LINES["W"]}, "U -> V, U -> W")
    assert found.tests[0].p is None
    assert "function of U" in found.tests[0].reason
    assert found.verdict == "no implied independence can be tested on these rows"
    assert falsify(LINES, "U -> V, U -> W, V -> W").verdict.startswith("the diagram implies no independence")


def test_rejections_are_as_frequent_as_promised() -> None:
    """150 data sets of each kind: within four standard errors of 5% (the campaign is in the benchmarks)."""
    from benchmarks.structural import levels, uneven

    for make in (levels, uneven):
        rng = np.random.default_rng(1)
        hits = sum(
            t.p is not None and t.p < 0.05 for _ in range(300) for t in falsify(make(rng, 120), "Z -> A, Z -> B").tests
        )
        assert hits < 300 * 0.05 + 4 * np.sqrt(300 * 0.05 * 0.95)
        assert hits > 1


def test_refused() -> None:
    with pytest.raises(DiagnosticError, match="CQ859"):
        falsify(CELLS, "Z -> A", alpha=1.5)
    with pytest.raises(DiagnosticError, match="CQ850"):
        falsify({**LINES, "U": np.where(U > 2, np.nan, U)}, "U -> V")
