"""Digits, pictures, order."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalcircuit.query import Interval
from causalcircuit.report.blocks import _natural, shared_ends
from causalcircuit.report.figures import bounds, count, decimals, figure, p_value, percent
from causalcircuit.report.picture import axes
from tests.report.samples import FAMILY, MEDIATION, SWEEP


@pytest.mark.parametrize(
    ("value", "ends", "shown"),
    [
        (3.7123, (3.521, 3.9036), "3.71 [3.52, 3.90]"),
        (0.11263, (0.0842, 0.1431), "0.113 [0.084, 0.143]"),
        (-0.0001, (-0.2, 0.2), "0.00 [-0.20, 0.20]"),
        (1234.5678, (1100.0, 1400.0), "1235 [1100, 1400]"),
        (2.0, (2.0, 2.0), "2.000 [2.000, 2.000]"),
        (0.0, (0.0, 0.0), "0 [0, 0]"),
        (1 / 3, (1 / 3 - 1e-9, 1 / 3 + 1e-9), "0.333333 [0.333333, 0.333333]"),
        (1.5e-11, (1.2e-11, 1.9e-11), "1.50e-11 [1.20e-11, 1.90e-11]"),
        (123456789.0, (123450000.0, 123460000.0), "1.23457e+08 [1.23450e+08, 1.23460e+08]"),
        (-1.5, (-math.inf, -1.23456), "-1.50 (-inf, -1.23]"),
    ],
)
def test_a_number_has_as_many_digits_as_its_interval_bears(value: float, ends: tuple[float, float], shown: str) -> None:
    interval = Interval(*ends)
    places = decimals(value, interval)
    assert f"{figure(value, places)} {bounds(interval, places)}" == shown


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_what_is_shown_is_off_by_less_than_a_twentieth_of_the_longer_half(value: float, down: float, up: float) -> None:
    interval = Interval(value - down, value + up)
    places = decimals(value, interval)
    half = max(value - interval.low, interval.high - value)
    tolerance = max(half / 20, abs(value) * 1e-5) * 1.0001
    assert abs(float(figure(value, places)) - value) <= tolerance


def test_small_print() -> None:
    assert (p_value(None), p_value(0.0), p_value(0.00012), p_value(1.0)) == ("none", "<.0001", "0.0001", "1.0000")
    assert (percent(0.95), percent(0.9875), percent(1 - 0.05 / 144)) == ("95%", "98.75%", "99.9653%")
    assert (count(1, "row"), count(1024, "row"), count(2, "pass", "passes")) == ("1 row", "1,024 rows", "2 passes")


@given(
    st.dictionaries(
        st.sampled_from(["logit", "ratio", ""]), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), min_size=1
    ),
    st.integers(12, 40),
)
def test_axes_hold_their_points_and_share_their_zero(points: dict[str, list[float]], cells: int) -> None:
    scale = axes(points, cells)
    assert len({axis.zero for axis in scale.values()}) == 1
    for unit, xs in points.items():
        axis = scale[unit]
        assert axis.cell(0) == axis.zero
        for x in xs:
            assert -0.5 <= axis.zero + x / axis.step <= cells - 0.5
            assert axis.draw(x, None)[axis.cell(x)] == "●"


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0, 5))
def test_a_picture_puts_the_value_between_the_ends(value: float, down: float, up: float) -> None:
    interval = Interval(value - down, value + up)
    axis = axes({"": [interval.low, interval.high]}, 30)[""]
    drawn = axis.draw(value, interval)
    assert len(drawn) == 30
    middle = drawn.index("●")
    assert drawn.count("├") <= 1
    assert drawn.count("┤") <= 1
    assert drawn.find("├") < middle
    assert drawn.find("┤") == -1 or drawn.find("┤") > middle
    inside = interval.low > axis.step and axis.cell(interval.low) > axis.zero
    assert not inside or drawn[axis.zero] == "┊"


def test_members_sort_as_people_count() -> None:
    members = ["layer[10].head[0]", "layer[9].head[11]", "layer[9].head[2]"]
    assert sorted(members, key=_natural) == members[::-1]
    assert sorted(["10", "-2", "9.5"], key=_natural) == ["-2", "9.5", "10"]


def test_only_whole_steps_are_shared() -> None:
    assert shared_ends(SWEEP.estimates, "H") == ("gpt2.", ".out @ last")
    assert shared_ends(FAMILY.hypotheses[:4], "H") == ("a.gpt2.layer[0].", ".out @ last")
    assert shared_ends(SWEEP.estimates[:1], "H") == ("", "")
    assert shared_ends(MEDIATION.estimates, "H") == ("", "")
