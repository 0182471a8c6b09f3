"""The coverage simulation, reduced: a twentieth of the data sets, few units only, seeded."""

from __future__ import annotations

import numpy as np
import pytest

import benchmarks.coverage_cells as grid
from benchmarks.coverage import AT_ONCE, BAR, Case, bootstraps, cases, ends, problem_of, simulate
from benchmarks.coverage_page import grid_page
from causalcircuit.inference import ESTIMATORS, Sample, infer
from causalcircuit.query import Options

SIMS = 4000
TOLERANCE = 3 * (BAR * (1 - BAR) / SIMS) ** 0.5
"""Three standard errors of the simulation: 1.1 points."""

FEW = [case for case in cases() if case.bar and case.n == 30]


@pytest.mark.parametrize("case", FEW, ids=lambda c: f"{c.name}, {c.noise}")
def test_the_default_interval_keeps_its_promise(case: Case) -> None:
    found = simulate(case, SIMS)
    assert found.covers >= BAR - TOLERANCE
    assert found.covers >= found.plain  # it holds the plain interval
    assert found.undefined < 0.001
    assert 1 <= found.width < (1.06 if case.noise == "normal" else 1.25)


def test_the_promise_is_one_that_students_t_breaks() -> None:
    [mean] = [c for c in FEW if (c.name, c.noise) == ("mean", "exponential")]
    assert simulate(mean, SIMS).plain < BAR - TOLERANCE / 2


@pytest.mark.parametrize("case", [c for c in cases() if c.n in (6, 30)], ids=lambda c: f"{c.name}, {c.noise}")
def test_data_sets_side_by_side_get_the_answers_of_infer(case: Case) -> None:
    data = case.make(np.random.default_rng(0), 4, case.n, case.noise)
    low, high = ends(problem_of(case, data), "default")
    for i, values in enumerate(data.values):
        mask = np.ones(values.shape, np.bool_) if data.mask is None else data.mask[i]
        events = (case.name == "probability",) * 2
        got = infer(Sample(values, mask, events, case.combine, data.cluster), Options()).interval
        assert got is not None
        assert (got.low, got.high) == pytest.approx((low[i], high[i]), rel=1e-12)


@pytest.mark.parametrize("name", [e.name for e in grid.ESTIMANDS])
def test_the_default_of_each_estimand_covers_clusters_and_counts_of_30(name: str) -> None:
    """The hardest of what is promised: 30 units, 400 data sets."""
    for cell in (c for c in grid.cells() if c.estimand.name == name and c.method == "default" and c.units == 30):
        if cell.rows in ("clustered", "discrete"):
            found = grid.simulate(cell, 400, 3)
            assert found.undefined == 400 or found.p > 0.001


def test_every_estimator_stands_in_the_grid_with_every_kind_of_rows_and_number_of_units() -> None:
    cells = list(grid.cells())
    defaults = [c for c in cells if c.method == "default"]
    assert len(defaults) == len(grid.ESTIMANDS) * 15
    same = {"default", "bootstrap", "order", "fisher"}  # `bca`, and the defaults of quantiles and correlations
    at_one_look = {name for name, e in ESTIMATORS.items() if not e.anytime}  # the others: benchmarks/sequential.py
    assert {c.method for c in cells} | same == at_one_look
    assert {(c.rows, c.units) for c in cells} == {(r, n) for r in grid.ROWS for n in grid.UNITS}
    assert all(c.promised for c in defaults)


def test_a_broken_promise_is_told_from_bad_luck() -> None:
    cells = [c for c in grid.cells() if c.promised][:20]
    made = [grid.Covered(c, 2000, 1880, 60, 60, 0, 1.0) for c in cells]  # 94.0%
    assert grid.broken(made) == []
    low = grid.Covered(cells[0], 2000, 1840, 80, 80, 0, 1.0)  # 92.0%
    assert grid.broken([low, *made[1:]]) == [low]
    short = grid.Covered(cells[0], 100, 92, 4, 4, 0, 1.0)  # as low, of too few data sets to say so
    assert grid.broken([short, *made[1:]]) == []


def test_the_page_of_the_grid_shows_what_is_broken_and_what_is_missing() -> None:
    [one, two, three, *_] = [c for c in grid.cells() if c.promised]
    found = [
        grid.Covered(one, 2000, 1800, 100, 100, 0, 1.0),
        grid.Covered(two, 2000, 1900, 50, 50, 0, 0.5),
        grid.Covered(three, 2000, 0, 0, 0, 2000, float("nan")),
    ]
    page = grid_page(found, grid.broken(found), "made so")
    assert "| mean | default | normal | **90.0%** | 95.0% | – | 1, 0.5, – | 0%, 0%, 100% | 2,000, 2,000" in page
    assert "2 cells of defaults have intervals; 1 of them breaks the promise of 94%." in page


def test_the_table_knows_every_kind_of_default_and_both_sizes() -> None:
    promised = [c for c in cases() if c.bar]
    assert {c.n for c in promised} == {30, 200}
    assert {c.noise for c in promised} == {"normal", "exponential"}
    for word in ("mean", "difference", "ratio", "clusters"):
        assert any(word in c.name for c in promised)
    assert {c.method for c in [*cases(), *bootstraps()]} | {c.plain for c in [*cases(), *bootstraps()]} <= set(
        ESTIMATORS
    )
    assert SIMS % AT_ONCE == 0
