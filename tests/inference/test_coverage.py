"""The coverage simulation, reduced: a twentieth of the data sets, few units only, seeded."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import AT_ONCE, BAR, Case, bootstraps, cases, ends, problem_of, simulate
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
