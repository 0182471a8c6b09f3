"""Verdicts: their duality with intervals, families, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import check_resamples, claim_level, decide, holm, infer
from causalcircuit.query import Options, Region
from tests.inference.making import DIFFERENCE, INFINITY, RATIO, above, below, bootstrap, claim, moved, pairs, sample

REGIONS = [
    above(0.6),
    below(0.6),
    Region(0.6, 1.2, closed=True),
    Region(0.6, 1.2),
    Region(0.6, 1.2, closed=True, outside=True),
    Region(1.0, 1.0, closed=True, outside=True),
    Region(-INFINITY, 1.1, closed=True),
]


@pytest.mark.parametrize("options", [Options("student"), Options(), bootstrap()], ids=lambda o: o.method)
@pytest.mark.parametrize("region", REGIONS, ids=str)
@settings(max_examples=25)
@given(shift=st.floats(-1.5, 1.5), alpha=st.sampled_from([0.01, 0.05, 0.1, 0.2]))
def test_the_verdict_is_that_of_the_interval_and_that_of_the_p(
    options: Options, region: Region, shift: float, alpha: float
) -> None:
    one = sample(moved(pairs(), shift, 0.0), DIFFERENCE)
    [got] = decide([one], [claim(region)], "none", alpha, options)
    interval = infer(one, options).interval_at(claim_level(region, alpha))
    assert interval == got.interval
    assert interval is not None
    assert got.p is not None
    assert got.p_refute is not None
    core = (
        region.low <= interval.low and interval.high <= region.high,
        interval.low > region.high or interval.high < region.low,
    )
    inside, disjoint = core[::-1] if region.outside else core
    assert (got.verdict == "supported") == inside == (got.p <= alpha)
    assert (got.verdict == "refuted") == disjoint == (got.p_refute <= alpha)


@pytest.mark.parametrize("low", [-0.2, 0.4, 0.9, 1.4])
def test_an_equivalence_claim_is_two_one_sided_tests(low: float) -> None:
    y = pairs()
    [got] = decide([sample(y, DIFFERENCE)], [claim(Region(low, 1.6, closed=True))], "none", 0.05, Options("student"))
    contrast = y[:, 0] - y[:, 1]
    above_low = stats.ttest_1samp(contrast, low, alternative="greater").pvalue
    under_high = stats.ttest_1samp(contrast, 1.6, alternative="less").pvalue
    assert got.p == pytest.approx(max(above_low, under_high), rel=1e-9)
    assert got.level == pytest.approx(0.9)


def test_a_difference_from_a_point_is_the_two_sided_test() -> None:
    y = pairs()
    [got] = decide(
        [sample(y, DIFFERENCE)], [claim(Region(0.7, 0.7, closed=True, outside=True))], "none", 0.05, Options("student")
    )
    assert got.p == pytest.approx(stats.ttest_1samp(y[:, 0] - y[:, 1], 0.7).pvalue, rel=1e-9)
    assert got.level == pytest.approx(0.95)


@settings(max_examples=8)  # each call of statsmodels collects garbage for half a second
@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_statsmodels_holm(ps: list[float]) -> None:
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1].tolist(), abs=1e-15)


def test_a_claim_without_p_counts_in_the_family() -> None:
    assert holm([0.01, None, 0.02]) == [pytest.approx(0.03), None, pytest.approx(0.04)]


def test_a_family_is_judged_by_adjusted_p_and_shown_by_bonferroni() -> None:
    contrast = np.random.default_rng(1).normal(size=40)
    contrast = (contrast - contrast.mean()) / stats.sem(contrast)
    # in standard errors beyond the claim's end; the tenth has p = .01, between α/12 and α/3
    shifts = [9.0] * 9 + [float(stats.t.ppf(0.99, 39)), 0.1, -9.0]
    samples = [sample(0.5 + s + contrast) for s in shifts]
    claims = [claim(above(0.5)) for _ in shifts]
    got = decide(samples, claims, "holm", 0.05, Options("student"))
    alone = [stats.ttest_1samp(s.values[:, 0], 0.5, alternative="greater").pvalue for s in samples]
    assert [g.p for g in got] == pytest.approx(alone, rel=1e-9)
    assert [g.p_adjusted for g in got] == pytest.approx(multipletests(alone, method="holm")[1].tolist(), rel=1e-9)
    assert {g.verdict for g in got} == {"supported", "refuted", "inconclusive"}
    for g, one in zip(got, samples, strict=True):
        assert g.p_adjusted is not None
        assert (g.verdict == "supported") == (g.p_adjusted <= 0.05)
        assert g.level == pytest.approx(1 - 2 * 0.05 / 12)
        assert g.interval == infer(one, Options("student")).interval_at(g.level)
        assert g.interval is not None
        within = g.interval.low > 0.5
        assert bool(g.note) == (
            (g.verdict == "supported" and not within) or (g.verdict == "refuted" and g.interval.high > 0.5)
        )
    assert [bool(g.note) for g in got] == [False] * 9 + [True, False, False]


def test_an_undefined_estimand_is_inconclusive_with_a_reason() -> None:
    weak, firm = (sample(pairs(means=(2.0, d)), RATIO) for d in (0.05, 3.0))
    got = decide([weak, firm], [claim(above(0.1)), claim(above(0.1))], "holm", 0.05, Options())
    assert got[0].verdict == "inconclusive"
    assert "denominator" in got[0].reason
    assert got[0].interval is None
    assert got[1].verdict == "supported"


def test_a_population_is_judged_by_its_value() -> None:
    one = sample(pairs(), DIFFERENCE)
    [yes, no] = decide([one, one], [claim(above(0.0)), claim(below(0.0))], "holm", 0.05, Options(population=True))
    assert (yes.verdict, no.verdict) == ("supported", "refuted")
    assert yes.p is yes.p_adjusted is yes.interval is None


def test_an_alpha_out_of_range_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="CQ613"):
        decide([sample(pairs(), DIFFERENCE)], [claim(above(0.0))], "none", 5.0, Options())


def test_144_two_sided_tests_need_5760_resamples() -> None:
    assert check_resamples(144, 0.05, True, 5760) == []
    [found] = check_resamples(144, 0.05, True, 5759)
    assert (found.code, found.is_error) == ("CQ606", True)
    assert "5760" in found.message
    assert check_resamples(144, 0.05, False, 2880) == []
    assert check_resamples(144, 0.05, False, 2879)


def test_with_that_many_resamples_the_smallest_p_reaches_alpha() -> None:
    family = [sample(pairs(seed=i, means=(9.0, 1.0)), DIFFERENCE) for i in range(6)]
    claims = [claim(Region(0.0, 0.0, closed=True, outside=True)) for _ in family]
    assert {g.verdict for g in decide(family, claims, "holm", 0.05, bootstrap("percentile", 240))} == {"supported"}
    with pytest.raises(DiagnosticError, match="CQ606"):
        decide(family, claims, "holm", 0.05, bootstrap("percentile", 239))
