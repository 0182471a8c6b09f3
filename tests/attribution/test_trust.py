"""Faithfulness over sizes: against numbers by hand, and at its ends on the shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from causalcircuit.attribution.trust_curve import curve_of
from causalcircuit.check import check_text
from causalcircuit.runs import run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 24 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, to = do(), method = eap, keep = {keep} edges) on ioi
show C
"""


def test_a_curve_by_hand() -> None:
    outcomes = np.array([[1.0, 2.0, 0.0], [2.0, 3.0, 1.0], [5.0, 5.0, 3.0]])
    found = curve_of(outcomes, [0, 3, 10], 10, np.arange(3))
    assert found is not None
    assert [p.faithful for p in found] == pytest.approx([0, 3 / 10, 1])
    assert [p.share for p in found] == [0, 0.3, 1]
    # Leaving out a row each: (3 - 1) / (10 - 4), (3 - 1) / (10 - 3), (3 - 1) / (10 - 3); t of two degrees of freedom.
    left = np.array([2 / 6, 2 / 7, 2 / 7])
    half = 4.302652729911275 * np.sqrt(2 / 3 * ((left - left.mean()) ** 2).sum())
    interval = found[1].interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.3 - half, 0.3 + half))


def test_an_effect_that_may_be_none_has_no_faithfulness() -> None:
    outcomes = np.array([[0.0, 0.0, 0.0], [3.0, -2.5, 0.1]])
    assert curve_of(outcomes, [0, 5], 5, np.arange(3)) is None


@pytest.mark.parametrize(("keep", "fails"), [(40, False), (2, True)])
def test_an_attributed_circuit_says_how_faithful_it_is(keep: int, fails: bool) -> None:
    result = run_program(check_text(PROGRAM.format(keep=keep), "c.cq", EXAMPLES))
    (shown,) = result.circuits
    trust = shown.circuits[0].trust
    assert trust is not None
    by_size = {p.size: p.faithful for p in trust.curve}
    assert by_size[0] == pytest.approx(0, abs=1e-4)
    assert by_size[110] == pytest.approx(1, abs=1e-4)
    assert (by_size[keep] < 0.5) == fails
    assert bool(trust.failures) == fails
    assert trust.cpr is not None
    assert trust.cmd is not None
    assert trust.cmd > 0
