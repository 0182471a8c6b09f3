"""Sampling units and directions: what is alike is one, what is not is two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from causalcircuit.attribution.summary import units
from causalcircuit.check import check_text
from causalcircuit.report.graph.facts import origin_lines
from causalcircuit.runs import run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = """
model cap    = hf("./models/captioner")
data  scenes = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure sample 4 seed 1
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office  = do(cap.image = row.office)
circuit C = attribute(W, from = office, to = kitchen, method = eap, keep = 5 edges) on scenes
show C
"""


def test_a_number_and_its_text_are_two_clusters() -> None:
    found = units([1, "1", 1, "a", "1"], 5)
    assert found[0] == found[2]
    assert found[1] == found[4]
    assert len(set(found.tolist())) == 3
    assert sorted(set(found.tolist())) == [0, 1, 2]


def test_labels_are_alike_where_they_are_equal() -> None:
    assert units([("a", 1), ("a", 1), ("a", "1")], 3).tolist() in ([0, 0, 1], [1, 1, 0])
    assert units(None, 3).tolist() == [0, 1, 2]


def test_the_order_of_rows_moves_no_unit() -> None:
    labels = ["b", "a", "c", "a"]
    turned = units(labels[::-1], 4)[::-1]
    assert np.array_equal(units(labels, 4), turned)


def test_between_worlds_that_are_both_not_factual() -> None:
    (shown,) = run_program(check_text(PROGRAM, "c.cq", EXAMPLES)).circuits
    circuit = shown.circuits[0]
    assert circuit.origin is not None
    assert circuit.origin.direction == "between"
    assert dict(origin_lines(circuit))["direction"] == "between two worlds: neither is factual"


@pytest.mark.parametrize(("worlds", "said"), [("corrupt, to = do()", "denoising"), ("do(), to = corrupt", "noising")])
def test_directions(worlds: str, said: str) -> None:
    from causalcircuit.query.circuits.formulas import Attributed
    from causalcircuit.runs.attributing import direction_of

    program = check_text(
        f"""
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 4 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = {worlds}, method = eap) on ioi
""",
        "c.cq",
        EXAMPLES,
    )
    formula = program.circuits["C"].formula
    assert isinstance(formula, Attributed)
    assert direction_of(formula.start, formula.end) == said
