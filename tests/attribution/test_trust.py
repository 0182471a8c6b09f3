"""Faithfulness over sizes: against numbers by hand, and at its ends on the shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit import do, last, row
from causalcircuit.attribution.trust_curve import curve_of
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ALL, Address, Part, Site
from causalcircuit.query.circuit import Circuit, CircuitEdge, Origin, SizePoint, Trust
from causalcircuit.query.circuits.document import circuit_of, document
from causalcircuit.query.circuits.formulas import Attributed, Method
from causalcircuit.query.circuits.wording import text_of
from causalcircuit.query.estimate import Interval
from causalcircuit.report.trusting import trust_facts
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


def asked(more: str = "", seed: str = "") -> Attributed:
    text = PROGRAM.format(keep=20).replace("keep = 20 edges) on ioi", f"keep = 20 edges{more}) on ioi{seed}")
    formula = check_text(text, "c.cq", EXAMPLES).circuits["C"].formula
    assert isinstance(formula, Attributed)
    return formula


def test_levels_in_the_language_and_in_python() -> None:
    assert asked().trust == Method("quick")
    assert asked(", trust = none").trust == Method("none")
    found = asked(", trust = full(40)", " seed 7")
    assert found.trust == Method("full", (40.0,))
    assert "trust = full(40)" in text_of(found)
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    ioi = cq.data(str(EXAMPLES / "data/ioi.jsonl"), prompt=row.clean, cluster=row.names, sample=24, seed=3)
    readout = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    start = do({gpt2.input: row.corrupt})
    made = cq.attribute(readout, start=start, on=ioi, method="eap", keep="20 edges", trust="full(40)", seed=7)
    assert isinstance(made.declared.formula, Attributed)
    assert made.declared.formula.trust == found.trust
    for code, wrong, seed in (("CQ794", "ful", 7), ("CQ794", "full(3)", 7), ("CQ794", "quick(9)", 7),
                              ("CQ794", "f u", 7), ("CQ798", "full", None)):  # fmt: skip
        with pytest.raises(DiagnosticError, match=code):
            cq.attribute(readout, start=start, on=ioi, method="eap", trust=wrong, seed=seed)


def test_lines_say_what_was_measured() -> None:
    origin = Origin("eap", "denoising", "LD", "logit", "w", "do()", "d", 60, None, 110, "gpt2", "")
    trust = Trust(
        (SizePoint(0, 0, 0), SizePoint(1, 0.01, 0.5, Interval(0.4, 0.6)), SizePoint(110, 1, 1)), cpr=0.9, cmd=0.1,
        pearson=0.987, spearman=0.6, recall=0.85, held=40, top=20, across={"relp": 0.25}, randomised=0.5, alike=0.7,
        intervals={"recall": Interval(0.35, 0.9)}, passes=1234, seconds=2.0,
    )  # fmt: skip
    site = Site(Address("gpt2", (Part("layer", 1), Part("mlp"), Part("out"))), ALL)
    circuit = Circuit("C", "gpt2", (CircuitEdge(site, None),), origin=origin, trust=trust)
    said = {name: f"{number} {meaning}" for name, number, meaning in trust_facts(circuit)}
    assert said["faithfulness"] == "0.50 [0.40, 0.60] of the effect by 1 wire alone"
    assert "40 of 110 wires: the 20 strongest, and 20 drawn" in said["Pearson"]
    assert said["recall"].startswith("0.850 [0.350, 0.900] of the 20 exactly strongest")
    assert said["shuffled weights"].endswith("these have 0.700 with each other")
    assert said["cost of trust"] == "1,234 passes of single rows, in 2 s"
    assert circuit_of(document(circuit)).trust == trust
    older = document(circuit)
    for name in ("alike", "top", "intervals", "passes", "seconds"):
        del older["trust"][name]
    read = circuit_of(older).trust
    assert read is not None
    assert (read.pearson, read.alike, read.intervals) == (0.987, None, {})
