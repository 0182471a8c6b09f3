"""Power against closed forms and against runs of the very intervals that decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from causalcircuit.inference import (
    Pilot,
    at_worst,
    chances,
    claim_level,
    detectable,
    infer,
    pilot_of,
    units_needed,
)
from causalcircuit.inference._probability import wilson_ends
from causalcircuit.query import Options, Region
from tests.inference.making import DIFFERENCE, FIRST, RATIO, above, below, pairs, sample

INFINITY = math.inf
ZERO = Region(0.0, 0.0, closed=True, outside=True)


@pytest.mark.parametrize("n", [2, 5, 30, 400])
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.5, 4.0])
def test_a_one_sided_claim_has_the_power_of_the_noncentral_t(n: int, shift: float) -> None:
    pilot = Pilot(shift / math.sqrt(n), 1.0, 20)
    want = stats.nct.sf(stats.t.ppf(0.95, n - 1), n - 1, shift)
    assert chances(pilot, n, above(0.0), 0.9).supported == pytest.approx(want, abs=2e-4)


def test_a_two_sided_claim_adds_both_tails() -> None:
    q = stats.t.ppf(0.975, 24)
    want = stats.nct.sf(q, 24, 2.0) + stats.nct.cdf(-q, 24, 2.0)
    found = chances(Pilot(0.4, 1.0, 20), 25, ZERO, 0.95)
    assert found.supported == pytest.approx(want, abs=1e-4)
    assert found.refuted == 0
    assert found.inconclusive == pytest.approx(1 - want, abs=1e-4)


def test_units_needed_are_those_of_the_textbook() -> None:
    """Cohen (1988), table 2.4: a one-sample t test, d = 0.5, two-sided .05, power .80: 34 (by enumeration)."""
    want = next(n for n in range(2, 100) if stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, 0.5 * math.sqrt(n)) >= 0.8)
    assert units_needed(Pilot(0.5, 1.0, 20), ZERO, 0.95, 0.8) == want == 34


@pytest.mark.parametrize("region", [below(0.0), ZERO, Region(-0.3, 0.3, closed=True), Region(-0.3, 0.1, outside=True)])
@pytest.mark.parametrize("method", ["student", "default"])
def test_chances_are_those_of_runs(region: Region, method: str) -> None:
    """600 data sets of clustered rows, judged by the intervals themselves; tolerance 3.5 Monte-Carlo errors."""
    rng = np.random.default_rng(3)
    truth, clusters, size, runs = -0.1, 40, 3, 600
    of = np.repeat(np.arange(clusters), size)
    level = claim_level(region, 0.05)
    verdicts = []
    for _ in range(runs):
        y = truth + 0.4 * np.repeat(rng.normal(size=clusters), size) + 0.3 * rng.normal(size=clusters * size)
        made = infer(sample(y, cluster=of), Options(method, level=level)).interval
        assert made is not None
        inside = region.low <= made.low and made.high <= region.high
        verdicts.append(made.low > region.high or made.high < region.low if region.outside else inside)
    share = float(np.mean(verdicts))
    pilot = Pilot(truth, math.sqrt(0.16 + 0.09 / size), 20)
    want = chances(pilot, clusters, region, level).supported
    slack = 0.03 if method == "default" else 0.0  # the default lengthens by each sample's own skewness
    assert want == pytest.approx(share, abs=3.5 * math.sqrt(max(share * (1 - share), 1e-3) / runs) + slack)


def test_a_probability_is_counted() -> None:
    """Every number of events among 60 rows."""
    rng = np.random.default_rng(0)
    y = (rng.random(50) < 0.7).astype(float)
    pilot = pilot_of(sample(y, events=(True,)), Options())
    k = np.arange(61)
    low, _ = wilson_ends(k / 60, np.asarray(60.0), 0.05, 0.25)
    want = stats.binom.pmf(k, 60, y.mean())[low > 0.5].sum()
    assert chances(pilot, 60, above(0.5), 0.9).supported == pytest.approx(want, rel=1e-9)
    other = pilot_of(sample(y, events=(True,), cluster=np.arange(50) // 2), Options())
    assert other.share is None


def test_a_pilot_has_the_standard_error_of_its_interval() -> None:
    for combine in (DIFFERENCE, RATIO):
        rows = sample(pairs(40), combine, cluster=np.arange(40) // 2)
        pilot, made = pilot_of(rows, Options("delta")), infer(rows, Options("delta")).interval
        assert made is not None
        width = 2 * stats.t.ppf(0.975, 19) * pilot.sigma / math.sqrt(20)
        assert (pilot.units, made.high - made.low) == (20, pytest.approx(width, rel=1e-9))


def test_what_can_be_detected_is_found_at_that_chance() -> None:
    pilot = Pilot(0.0, 1.0, 20, high=0.5)
    for region in (above(0.2), below(-0.2), ZERO, Region(-1.0, 1.0, closed=True)):
        found = detectable(pilot, 50, region, 0.95, 0.8)
        assert len(found) == (1 if math.isinf(region.high - region.low) else 2)
        for x in found:
            assert chances(pilot, 50, region, 0.95, x).supported == pytest.approx(0.8, abs=1e-6)
    assert detectable(pilot, 50, Region(-0.1, 0.1, closed=True), 0.9, 0.8) == ()


def test_no_number_of_units_shows_what_is_not_so() -> None:
    assert units_needed(Pilot(-0.5, 1.0, 20), above(0.0), 0.9, 0.8) is None
    assert units_needed(Pilot(0.0, 1.0, 20), ZERO, 0.95, 0.8) is None
    assert units_needed(Pilot(0.0, 1.0, 20), Region(-1.0, 1.0, closed=True), 0.9, 0.8) is not None


def test_an_unlucky_pilot_needs_more() -> None:
    pilot = Pilot(0.5, 1.0, 20)
    worse = at_worst(pilot)
    assert worse.sigma == pytest.approx(math.sqrt(19 / stats.chi2.ppf(0.1, 19)))
    few, more = (units_needed(p, ZERO, 0.95, 0.8) for p in (pilot, worse))
    assert few is not None
    assert more is not None
    assert more > few


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (sample(np.ones(20)), "vary"),
        (sample([1.0]), "too few rows"),
        (sample([1.0, 2.0], cluster=np.zeros(2, np.intp)), "too few clusters"),
    ],
)
def test_a_pilot_that_says_nothing_says_why(made: object, said: str) -> None:
    assert said in pilot_of(made, Options()).reason  # type: ignore[arg-type]


def test_the_first_pilot_of_a_mean_is_its_standard_deviation() -> None:
    y = np.random.default_rng(5).normal(size=30)
    pilot = pilot_of(sample(y, FIRST), Options("student"))
    assert (pilot.value, pilot.sigma) == (pytest.approx(y.mean()), pytest.approx(y.std(ddof=1)))
