"""Sums against tables: the same mean, interval and stability, however rows are cut and wherever a run is taken up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.attribution.summary import means, stability
from causalcircuit.attribution.tally import Tally

COLUMNS = 5


def tallied(scores: np.ndarray, unit: np.ndarray, weights: np.ndarray, seed: int | None, cuts: list[int]) -> Tally:
    made = Tally(unit, weights, COLUMNS, seed)
    for a, b in zip([0, *cuts], [*cuts, len(scores)], strict=True):
        if a == b:
            continue
        made.add(scores[a:b])
        again = Tally(unit, weights, COLUMNS, seed)  # as if the run had ended here
        assert again.resume(made.done, made.state)
        made = again
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 2**31), st.booleans(), st.data(),
    st.sampled_from([0.0, 1e6]),
)  # fmt: skip
def test_sums_are_those_of_the_table(
    sizes: list[int], seed: int, weighted: bool, data: st.DataObject, off: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(len(sizes))
    unit = np.repeat(labels, sizes)
    scores = rng.normal(size=(len(unit), COLUMNS)) + off
    weights = rng.uniform(0.1, 3, len(unit)) if weighted else np.ones(len(unit))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(unit)), max_size=4)))
    made = tallied(scores, unit, weights, 7, cuts)
    value, half = means(scores, unit, weights)
    own, width = made.means()
    assert own == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert width == pytest.approx(half, rel=1e-6, abs=1e-9 * max(1, off))
    columns = np.array([0, 2, 3])
    often, overlap = stability(scores[:, columns], unit, weights, 2, 7)
    own_often, own_overlap = made.stability(2, columns)
    if off == 0.0:
        assert own_often == pytest.approx(often, abs=1e-12)
        assert own_overlap == pytest.approx(overlap, abs=1e-12)


def test_one_unit_has_no_interval() -> None:
    made = tallied(np.ones((3, COLUMNS)), np.zeros(3, dtype=int), np.ones(3), None, [1])
    assert made.means()[0] == pytest.approx(np.ones(COLUMNS))
    assert np.isinf(made.means()[1]).all()
    with pytest.raises(ValueError, match="seed"):
        made.stability(1, np.arange(2))


def test_other_sums_are_not_gone_on_with() -> None:
    made = tallied(np.ones((3, COLUMNS)), np.arange(3), np.ones(3), None, [])
    other = Tally(np.arange(3), np.ones(3), COLUMNS, 7)
    assert not other.resume(made.done, made.state)
    assert other.done == 0
    assert not Tally(np.arange(2), np.ones(2), COLUMNS).resume(made.done, made.state)
