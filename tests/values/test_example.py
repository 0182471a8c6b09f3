"""examples/steering.cq: the background is one direction of what a cross-attention head writes."""

from __future__ import annotations

import pytest

from causalcircuit.check import check_file
from causalcircuit.query import Interval, Result
from tests.runs.asking import EXAMPLES, RUNNER


@pytest.fixture(scope="module")
def result() -> Result:
    return RUNNER.run(check_file(EXAMPLES / "steering.cq"))


def test_adding_the_direction_steers_and_removing_it_silences(result: Result) -> None:
    total, steered, left, donor = result.estimates
    assert total.value is not None
    assert steered.value is not None
    assert left.value is not None
    assert steered.value / total.value == pytest.approx(0.95, abs=0.04)
    assert abs(left.value) < 0.1 * total.value
    assert isinstance(donor.interval, Interval)
    assert donor.interval.low < 0 < donor.interval.high
    assert donor.n == total.n == 120


def test_the_report_names_data_and_donors(result: Result) -> None:
    said = " ".join(result.estimates[1].assumptions)
    assert "over all 120 rows of scenes.train and held fixed" in said
    assert "4 donors a row are drawn" in " ".join(result.estimates[3].assumptions)
