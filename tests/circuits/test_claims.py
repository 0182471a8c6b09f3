"""Claims about circuits where programs are run: the language and Python, families, refusals, the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import all, do, last, row
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.report import to_text
from causalcircuit.runs import run_program
from causalcircuit.runs.check import check_program
from tests.truth.handmade import logits, shares, write_handmade

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 16 seed 3 split 50/50 seed 7
node X = gpt2.embed @ all
node Early = gpt2.layer[0].head[2].out @ all
node NM = gpt2.layer[1].head[3].out @ all
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit G { X -> Early -> NM -> LD }
circuit C = attribute(LD, from = corrupt, method = eap, keep = 30 edges) on ioi.train
draw u outside row.names seed 3
graph High { Name = row.io, Answer = Name }
"""


def run(text: str):
    return run_program(check_program(check_text(HEAD + text, "t.cq", EXAMPLES)), keep="off")


def test_a_family_of_claims_about_circuits() -> None:
    result = run("""
hypothesis same "Both answer alike" { because "it was found so" expect equivalent(C, within = 0.4) }
hypothesis gone { expect jointly_necessary(C) }
let ok(K) = (not jointly_necessary(K, readout = LD, from = corrupt))
family both = [same, gone] correct holm alpha 0.1
test both on ioi.test
test ok(G) on ioi.test
""")
    same, gone, other = result.hypotheses
    assert (same.name, same.title, same.family, same.named) == ("same", "Both answer alike", "both", True)
    assert gone.verdict == "supported"
    assert gone.value == pytest.approx(0, abs=0.2)
    assert gone.p is not None
    assert gone.p_adjusted is not None
    assert gone.p_adjusted >= gone.p
    assert (other.name, other.region, other.named) == ("ok(G)", "not < 20%", False)
    text = to_text(result)
    assert "Holm over 2 claims" in text
    assert "part of the effect that is left" in text
    made = json.loads(json.dumps(result.to_json()))["hypotheses"]
    assert [m["region"] for m in made] == ["within [0.1, 0.9]", "< 20%", "not < 20%"]


def test_a_circuit_against_random_ones() -> None:
    (found,) = run("test sufficient(C, draws = 29) on ioi.test seed 5\n").hypotheses
    assert found.value == 1.0
    assert found.p == pytest.approx(0.9**29)
    assert found.verdict == "supported"
    assert "29 random circuits of 30 wires" in found.method
    assert any("rows are held fixed" in a for a in found.assumptions)


def test_python_states_the_same() -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    few = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean, cluster=row.names, sample=16, split=(50, 50), seed=3)
    gap = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    nodes = gpt2.embed @ all, gpt2.layer[0].head[2].out @ all, gpt2.layer[1].head[3].out @ all
    drawn = cq.circuit("G", (*nodes, gap))
    corrupt = do({gpt2.input: row.corrupt})
    left = cq.claim("jointly_necessary", drawn, readout=gap, start=corrupt, leaving=0.3)
    (tested,) = cq.test(cq.hypothesis("gone", left), on=few.test).hypotheses
    (opposite,) = cq.test(~left, on=few.test).hypotheses
    assert tested.name == "gone"
    assert tested.region == "< 30%"
    assert (tested.p, tested.p_refute) == (opposite.p_refute, opposite.p)
    for wrong, code in (
        (lambda: cq.claim("sufficent", drawn), "CQ201"),
        (lambda: cq.claim("sufficient", drawn), "CQ270"),
        (lambda: cq.claim("sufficient", drawn, readout=gap, start=corrupt, within=0.1), "CQ271"),
        (lambda: cq.claim("sufficient", drawn, readout=gap, start=corrupt, beyond=1.0), "CQ271"),
        (lambda: cq.claim("equivalent", drawn, readout=gap, start=corrupt, draws=10), "CQ271"),
        (lambda: cq.test(left, left, on=few.test), "CQ229"),
        (lambda: cq.test(left, cq.E[gap] > 0, on=few.test), "CQ272"),
        (lambda: cq.test(cq.claim("minimal", drawn, readout=gap, start=corrupt), on=few.test), "CQ274"),
        (lambda: cq.high_level(Name=gpt2.embed @ all), "CQ276"),
        (lambda: cq.high_level(Name=cq.var("Other")), "CQ276"),
        (lambda: cq.high_level(A=cq.var("B"), B=cq.var("A")), "CQ313"),
    ):
        with pytest.raises(DiagnosticError) as problem:
            wrong()
        assert problem.value.diagnostics[0].code == code


def test_the_residual_holds_the_answer_and_the_first_layer_does_not() -> None:
    result = run("""
test aligned(High, Name = R, Answer = gpt2.logits @ last, from = u, beyond = 0.5) on ioi
  for R in [gpt2.layer[0].resid @ last, gpt2.layer[1].resid @ last] correct holm seed 1
""")
    by = {t.at[0][1]: t for t in result.hypotheses}
    held, not_yet = by["gpt2.layer[1].resid @ last"], by["gpt2.layer[0].resid @ last"]
    assert held.value == 1.0
    assert held.verdict == "supported"
    assert not_yet.value is not None
    assert not_yet.value < 0.5
    assert not_yet.verdict == "refuted"
    assert "donors shuffled" in held.note
    assert "other such nodes in their place" in held.note


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hand")
    write_handmade(folder / "model")
    texts = ["A " * a + "B " * b + "END" for a in range(7) for b in range(7) if 0 < a + b < 7]
    lines = []
    for text in texts:
        lines.append(json.dumps({"prompt": text, "says": int(logits(*shares(text))[1] > 0.6)}))
    (folder / "d.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(("head", "holds"), [(1, True), (0, False)])
def test_an_alignment_on_the_model_by_hand(hand: Path, head: int, holds: bool) -> None:
    """What head 1 writes at the end decides the answer; head 0 writes nothing: the model answers for its own row."""
    text = f"""
model m = hf("./model")
data d = jsonl("./d.jsonl") with prompt = row.prompt
draw u seed 1
graph High {{ Says = row.says, Answer = Says = 1 }}
test aligned(High, Says = m.layer[0].head[{head}].out @ last, Answer = m.logit["B"] @ last > 0.6 logit,
  from = u) on d seed 1
"""
    (found,) = run_program(check_program(check_text(text, "t.cq", hand)), keep="off").hypotheses
    says = [json.loads(line)["says"] for line in (hand / "d.jsonl").read_text().splitlines()]
    assert 0.2 < sum(says) / len(says) < 0.8
    assert found.value is not None
    if holds:
        assert found.value == 1.0
        assert found.verdict == "supported"
    else:
        assert found.value < 0.7
        assert found.verdict == "refuted"


def test_values_that_no_answer_can_be_held_against(hand: Path) -> None:
    head = """
model m = hf("./model")
data d = jsonl("./d.jsonl") with prompt = row.prompt
draw u seed 1
node H = m.layer[0].head[1].out @ last
"""
    for graph, answer in (
        ("Says = row.says, Answer = Says", "m.logits @ last"),
        ("Says = row.says, Answer = Says + 5", 'm.logit["B"] @ last > 0 logit'),
        ("Says = row.says, Answer = 1 / Says", 'm.logit["B"] @ last > 0 logit'),
    ):
        text = (
            f"{head}graph High {{ {graph} }}\ntest aligned(High, Says = H, Answer = {answer}, from = u) on d seed 1\n"
        )
        with pytest.raises(DiagnosticError) as problem:
            run_program(check_program(check_text(text, "t.cq", hand)), keep="off")
        assert problem.value.diagnostics[0].code == "CQ813"
