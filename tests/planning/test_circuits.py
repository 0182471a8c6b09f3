"""`cq plan` of circuits: wires and passes are those of the run, operations near those that torch counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import causalcircuit as cq
import causalcircuit.rows as rows
from causalcircuit.attribution import Question, scores
from causalcircuit.attribution.attribute import considered
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine.cost.meter import counting
from causalcircuit.models import load
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.report.forecast import forecast_text

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
IOI = """
model m = hf("{}/models/ioi")
data d = jsonl("{}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 24 seed 1
node Y = m.logit[row.io] @ last - m.logit[row.subj] @ last
let w = do(m.input = row.corrupt)
let v = do()
"""
SCENES = """
model m = hf("{}/models/captioner")
data d = jsonl("{}/data/scenes.jsonl") with prefix = "a" cluster row.figure sample 6 seed 1
node Y = m.logit["woman"] @ last - m.logit["man"] @ last
let v = do(m.image = row.kitchen)
let w = do(m.image = row.office)
"""
LINE = "circuit C = attribute(Y, {}from = w, to = v, method = {}) on d\nshow C\n"


@pytest.mark.parametrize("head", [IOI, SCENES])
@pytest.mark.parametrize("method", ["eap", "eap_ig(3)", "eap_ig_activations(2)"])
def test_what_is_planned_is_what_happens(head: str, method: str) -> None:
    text = head.format(EXAMPLES, EXAMPLES) + LINE.format("", method)
    (planned,) = cq.plan(check_text(text)).circuits
    program = check_text(text)
    asked = program.circuits["C"].formula
    assert isinstance(asked, Attributed)
    model, data = load(program.models["m"]), rows.load(asked.data)
    question = Question("m", asked.readout, asked.start, asked.end)
    with counting() as counter:
        found = scores(model, data, question, asked.method.name, asked.method.arguments)
    assert (planned.wires, planned.rows) == (len(found.wiring), data.n)
    if method.startswith("eap_ig_activations") and head == SCENES:
        # Before the first cross-attention two tensors have nothing of the image, and are not moved.
        assert planned.row_passes == found.passes + 2 * (2 * 2) * data.n
    else:
        assert planned.row_passes == found.passes
    # The count has the first look at a row in it, too, which proves closed forms by autograd.
    assert planned.flops == pytest.approx(counter.get_total_flops(), rel=0.35)
    assert planned.scores == found.table.nbytes
    assert planned.memory >= planned.weights + planned.row + planned.scores


def test_wires_between_nodes() -> None:
    over = "over = [m.embed @ all, m.layer[1].mlp.out @ all], "
    text = IOI.format(EXAMPLES, EXAMPLES) + LINE.format(over, "exact")
    (planned,) = cq.plan(check_text(text)).circuits
    program = check_text(text)
    asked = program.circuits["C"].formula
    assert isinstance(asked, Attributed)
    question = Question("m", asked.readout, asked.start, asked.end)
    found = scores(load(program.models["m"]), rows.load(asked.data), question, "exact", over=asked.over)
    assert planned.wires == planned.considered == len(considered(found, asked.over)[1]) == 3
    assert planned.row_passes >= found.passes


def test_no_weight_is_read(tmp_path: Path) -> None:
    for part in ("models/ioi", "data"):
        shutil.copytree(EXAMPLES / part, tmp_path / part)
    whole = cq.plan(check_text(IOI.format(tmp_path, tmp_path) + LINE.format("", "eap"))).circuits
    for file in (tmp_path / "models/ioi").glob("*.safetensors"):
        file.unlink()
    bare = cq.plan(check_text(IOI.format(tmp_path, tmp_path) + LINE.format("", "eap")))
    assert bare.circuits == whole
    assert bare.models[0].sketched


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_fits_the_terminal(width: int) -> None:
    found = cq.plan(check_text(IOI.format(EXAMPLES, EXAMPLES) + LINE.format("", "eap")))
    said = forecast_text(found, width=width)
    assert max(map(len, said.splitlines())) <= width
    assert "circuit C · eap of m on d, 24 rows" in said
    assert "at most" in said
    assert found.to_json()["circuits"][0]["wires"] == 110


def test_a_limit_that_holds_no_row() -> None:
    program = check_text(IOI.format(EXAMPLES, EXAMPLES) + LINE.format("", "eap"))
    with pytest.raises(DiagnosticError, match="CQ820") as caught:
        cq.plan(program, max_memory=600_000)
    assert "one needs" in caught.value.diagnostics[0].message
    needed = cq.plan(program, max_memory=40_000_000).circuits[0]
    assert needed.memory <= 40_000_000


def test_trust_takes_no_more_than_is_planned() -> None:
    text = IOI.format(EXAMPLES, EXAMPLES)
    program = check_text(text + LINE.format("", "eap"))
    (planned,) = cq.plan(program).circuits
    made = cq.run(text + LINE.format("", "eap")).circuits[0].circuits[0]
    assert planned.trust is not None
    assert 0 < made.trust.passes <= 1.05 * planned.trust  # four rows are looked at before
    for level, passes in (("none", 0), ("full", None)):
        line = LINE.format("", f"eap, trust = {level}").replace("on d", "on d seed 1")
        assert cq.plan(check_text(text + line)).circuits[0].trust == passes
