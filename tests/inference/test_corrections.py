"""Corrections of a family: adjusted p, simultaneous intervals, dependence, stages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from causalcircuit.inference import Finding, adjusted, decide, errors, judge, together
from causalcircuit.query import Options, Region
from causalcircuit.query.families import SORTS, Correction, fewest
from tests.inference.making import DIFFERENCE, above, below, claim, pairs, sample

THEIRS: dict[Correction, str] = {"holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh", "by": "fdr_by"}
PS = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize("correction", THEIRS)
@settings(max_examples=6)  # each call of statsmodels collects garbage for half a second
@given(ps=PS)
def test_adjusted_p_are_those_of_statsmodels(correction: Correction, ps: list[float]) -> None:
    assert adjusted(ps, correction) == pytest.approx(
        multipletests(ps, method=THEIRS[correction])[1].tolist(), abs=1e-14
    )


@pytest.mark.parametrize("correction", THEIRS)
def test_a_claim_without_p_counts_as_one_that_is_never_rejected(correction: Correction) -> None:
    with_one = adjusted([0.01, None, 0.02], correction)
    assert with_one[1] is None
    assert with_one == [a if i != 1 else None for i, a in enumerate(adjusted([0.01, 1.0, 0.02], correction))]


@given(ps=PS, alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_hochberg_rejects_what_holm_rejects_and_bh_what_hochberg_rejects(ps: list[float], alpha: float) -> None:
    found = {c: {i for i, p in enumerate(adjusted(ps, c)) if p is not None and p <= alpha} for c in THEIRS}
    assert found["holm"] <= found["hochberg"] <= found["bh"] >= found["by"]


@given(ps=PS, alpha=st.sampled_from([0.01, 0.05, 0.2]), correction=st.sampled_from(["bh", "by"]))
def test_under_a_false_discovery_rate_intervals_and_verdicts_agree(
    ps: list[float], alpha: float, correction: Correction
) -> None:
    """A claim is supported exactly where its p is within the error of its own interval (Benjamini & Yekutieli 2005)."""
    against = [1 - p for p in ps]
    yes, no = adjusted(ps, correction), adjusted(against, correction)
    each = errors(yes, no, correction, alpha)
    for p, q, a, b, e in zip(ps, against, yes, no, each, strict=True):
        if min(abs(p - e), abs(q - e), abs((a or 0) - alpha), abs((b or 0) - alpha)) < 1e-12:
            continue
        assert ((a or 0) <= alpha) == (p <= e)
        assert ((b or 0) <= alpha) == (q <= e)


def test_the_error_of_intervals_is_bonferronis_elsewhere() -> None:
    assert errors([0.001, 0.9], [0.9, 0.9], "holm", 0.05) == [0.025, 0.025]
    assert errors([0.001, 0.9], [0.9, 0.9], "none", 0.05) == [0.05, 0.05]
    assert fewest(4, "by") == pytest.approx(4 * (1 + 1 / 2 + 1 / 3 + 1 / 4))


# ---- claims that vary together


def equal(rho: float, m: int, n: int = 400, seed: int = 3) -> np.ndarray:
    """[n, m] columns with the correlation `rho` exactly, means 0 and variances 1."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(n, m))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(n)
    return white @ np.linalg.cholesky((1 - rho) * np.eye(m) + rho).T


def test_independent_claims_are_held_together_as_sidak_does() -> None:
    joint = together([sample(c) for c in equal(0.0, 8).T], [above(0.0)] * 8, seed=1, draws=100_000)
    assert joint.error(0.05) == pytest.approx(1 - 0.95 ** (1 / 8), rel=0.03)


def test_one_claim_said_twice_costs_nothing() -> None:
    column = equal(0.0, 1)[:, 0]
    joint = together([sample(column), sample(2 * column + 1)], [above(0.0), above(1.0)], seed=1)
    assert joint.error(0.05) == pytest.approx(0.05, abs=0.004)
    assert joint.adjusted([0.03, 0.03]) == pytest.approx([0.03, 0.03], abs=0.004)


def test_opposite_claims_about_one_number_exclude_each_other() -> None:
    """They reject on opposite sides: the chance that one does is the sum."""
    column = equal(0.0, 1)[:, 0]
    joint = together([sample(column), sample(column)], [above(0.0), below(0.0)], seed=1)
    assert joint.error(0.05) == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_correlated_claims_are_held_together_as_a_normal_integral_says(rho: float) -> None:
    m = 5
    joint = together([sample(c) for c in equal(rho, m).T], [above(0.0)] * m, seed=1, draws=100_000)
    z = stats.norm.isf(joint.error(0.05))
    t = np.linspace(-9, 9, 4001)  # the factor that all share
    cover = np.trapezoid(stats.norm.pdf(t) * stats.norm.cdf((z - np.sqrt(rho) * t) / np.sqrt(1 - rho)) ** m, t)
    assert 1 - cover == pytest.approx(0.05, abs=0.002)


def test_two_sided_claims_are_drawn_on_both_sides() -> None:
    region = Region(0.0, 0.0, closed=True, outside=True)
    joint = together([sample(c) for c in equal(0.0, 6).T], [region] * 6, seed=1, draws=100_000)
    assert joint.drawn.mean() == pytest.approx(0.5, abs=0.005)  # uniform
    assert joint.error(0.05) == pytest.approx(1 - 0.95 ** (1 / 6), rel=0.03)


@settings(max_examples=30)
@given(ps=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_max_t_lies_between_no_correction_and_holm(ps: list[float]) -> None:
    joint = together([sample(c) for c in equal(0.6, 6).T], [above(0.0)] * 6, seed=1, draws=2000)
    for p, here, most in zip(ps, joint.adjusted(ps), adjusted(ps, "holm"), strict=True):
        assert here is not None
        assert most is not None
        assert p - 1e-12 <= here <= most + 1e-12


def test_clusters_and_rows_without_variance() -> None:
    columns = equal(0.0, 3, n=120)
    cluster = np.arange(120) // 4
    whole = [sample(c, cluster=cluster) for c in (*columns.T, np.ones(120))]
    joint = together(whole, [above(0.0)] * 4, seed=1)
    assert joint.drawn.shape[1] == 4
    assert np.corrcoef(stats.norm.isf(joint.drawn.T.astype(float)))[3, :3] == pytest.approx(np.zeros(3), abs=0.03)


def test_under_max_t_the_seed_decides_and_verdicts_follow_the_adjusted_p() -> None:
    columns = equal(0.9, 6, n=60)
    samples = [sample(c + s) for c, s in zip(columns.T, (0.6, 0.31, 0.3, 0.29, 0.0, -0.6), strict=True)]
    claims = [claim(above(0.0), f"c{i}") for i in range(6)]
    got = decide(samples, claims, "max_t", 0.05, Options("student", seed=7))
    again = decide(samples, claims, "max_t", 0.05, Options("student", seed=7))
    plain = decide(samples, claims, "holm", 0.05, Options("student"))
    assert [g.p_adjusted for g in got] == [g.p_adjusted for g in again]
    assert [g.verdict for g in got] == ["supported"] * 4 + ["inconclusive", "refuted"]
    assert all(a.level < b.level for a, b in zip(got, plain, strict=True))  # narrower intervals
    assert {g.level for g in got} == {got[0].level}


# ---- stages


def staged(*stages: list[float]) -> list[str]:
    found = [Finding(None, p, 1 - p) for stage in stages for p in stage]
    numbers = [k for k, stage in enumerate(stages) for _ in stage]
    return [j.verdict for j in judge(found, "holm", 0.05, numbers, [f"h{i}" for i in range(len(found))])]


def test_a_stage_waits_for_all_claims_before_it() -> None:
    assert staged([0.01], [0.01, 0.04]) == ["supported", "supported", "supported"]
    assert staged([0.06], [0.001, 0.001]) == ["inconclusive"] * 3
    assert staged([0.01, 0.3], [0.001]) == ["supported", "inconclusive", "inconclusive"]
    assert staged([0.04], [0.04], [0.04]) == ["supported"] * 3  # each stage has all of alpha
    assert staged([0.04], [0.06], [0.0001]) == ["supported", "inconclusive", "inconclusive"]
    assert staged([0.999], [0.01]) == ["refuted", "inconclusive"]


def test_a_claim_behind_a_shut_gate_says_so_and_its_p_is_no_smaller_than_the_gate() -> None:
    found = [Finding(None, 0.2, 0.8), Finding(None, 0.0001, 0.9999)]
    [gate, behind] = judge(found, "holm", 0.05, [0, 1], ["a", "b"])
    assert (gate.note, behind.note) == ("", "not tested: `a`, which comes first, is not supported")
    assert behind.p_adjusted == 0.2


def test_a_gate_without_a_value_stays_shut() -> None:
    [_, behind] = judge([Finding(None, None, None), Finding(None, 0.001, 0.9)], "holm", 0.05, [0, 1], ["a", "b"])
    assert (behind.verdict, behind.p_adjusted) == ("inconclusive", None)


def test_estimands_and_populations_are_staged_too() -> None:
    from dataclasses import replace

    one = sample(pairs(), DIFFERENCE)
    first, second = claim(above(5.0), "a"), replace(claim(above(0.0), "b"), stage=1)
    for options in (Options(), Options(population=True)):
        [gate, behind] = decide([one, one], [first, second], "holm", 0.05, options)
        assert (gate.verdict, behind.verdict) == ("refuted", "inconclusive")
        assert "`a`" in behind.note
        [gate, behind] = decide([one, one], [replace(first, region=above(0.0)), second], "holm", 0.05, options)
        assert (gate.verdict, behind.verdict) == ("supported", "supported")


def test_every_correction_has_words() -> None:
    assert all(s.title and s.keeps and s.intervals for s in SORTS.values())
