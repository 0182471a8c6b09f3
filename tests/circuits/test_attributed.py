"""An attribution end to end: from a program to a circuit in a file and back; the same from Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import all, do, last, row
from causalcircuit.check import check_text
from causalcircuit.query import Result
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import read
from causalcircuit.query.circuits.formulas import METHODS
from causalcircuit.query.circuits.nodes import between_nodes
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.runs import check, run_program
from tests.circuits.samples import circuit, edge, site

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HEAD = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data few = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 12 seed 1
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node Heads = gpt2.layer[*].head[*].out @ all
let corrupt = do(gpt2.input = row.corrupt)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("circuits")


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    line = "circuit {} = attribute(LD, {}from = corrupt, to = do(), method = eap{}) on few{}\n"
    text = HEAD + line.format("C", "", "", " seed 7") + line.format("Again", "", "", " seed 7")
    text += line.format("Ten", "", ", keep = 10 edges", "") + line.format("Four", "", ", keep = 4 nodes", " seed 7")
    text += line.format("H", "over = Heads, ", "", "") + line.format("Above", "", ", above = 0.5", "")
    text += 'show C, Again, Ten, Four, H, Above\nshow compare(C, Ten)\nsave C to "./c.json"\nsave C to "./c.graphml"\n'
    return run_program(check_text(text, folder=folder), keep="off")


def named(result: Result, name: str) -> Circuit:
    return next(s.circuits[0] for s in result.circuits if s.circuits[0].name == name)


def test_scores_have_an_origin(result: Result) -> None:
    found = named(result, "C")
    assert found.origin is not None
    said = (found.origin.method, found.origin.direction, found.origin.readout, found.origin.unit, found.origin.start)
    assert said == ("eap", "denoising", "LD", "logit", "corrupt")
    assert (found.origin.data, found.origin.rows, found.origin.considered) == ("few", 12, 110)
    assert found.origin.model.startswith("gpt2 ")
    assert re.fullmatch(r"[0-9a-f]{64}", found.origin.weights)
    assert [abs(e.score.value) for e in found.edges if e.score] == sorted(
        (abs(e.score.value) for e in found.edges if e.score), reverse=True
    )


def test_what_is_kept(result: Result) -> None:
    whole, ten, above = (named(result, n) for n in ("C", "Ten", "Above"))
    assert [(e.source, e.target) for e in ten.edges] == [(e.source, e.target) for e in whole.edges[:10]]
    assert [e for e in whole.edges if e.score and abs(e.score.value) >= 0.5] != []
    assert len(above.edges) == sum(abs(e.score.value) >= 0.5 for e in whole.edges if e.score)
    compared = result.circuits[-1].comparison
    assert compared is not None
    assert len(compared.shared.edges) == 10
    assert compared.spearman == pytest.approx(1.0)


def test_the_wires_between_the_strongest_nodes(result: Result) -> None:
    found = named(result, "Four")
    nodes = {e.source for e in found.edges}
    assert len(nodes) <= 4
    assert [e for e in found.edges if e.target and not any(belongs(e.target, n) for n in nodes)] == []
    assert {e.score.selected for e in found.edges if e.score} == {None}
    assert found.trust is not None
    assert found.trust.jaccard is None  # resampled rows were not asked for nodes


def test_nodes_are_ranked_by_what_leaves_them() -> None:
    strong, weak = "layer[0].head[0].out", "layer[0].head[1].out"
    c = circuit(edge(strong, "layer[1].mlp.in", 0.6), edge(strong, None, -0.6), edge(weak, None, 1.0),
                edge("layer[1].mlp.out", None, 0.1))  # fmt: skip
    assert {e.source for e in between_nodes(c, 1).edges} == {site(strong)}
    assert len(between_nodes(c, 1).edges) == 1  # the MLP that the other leads to is not among them
    assert len(between_nodes(c, 3).edges) == 4


def test_only_nodes_that_are_considered(result: Result) -> None:
    found = named(result, "H")
    assert found.origin is not None
    assert found.origin.considered == 4 * 12 + 8
    assert {e.source.address.path[-1].name for e in found.edges} == {"out"}
    assert [
        e for e in found.edges if "mlp" in str(e.source.address) or (e.target and "mlp" in str(e.target.address))
    ] == []
    assert len(found.over) == 8


def test_equal_declarations_are_one_attribution(result: Result) -> None:
    first, again = named(result, "C"), named(result, "Again")
    assert first.origin is not None
    assert again.origin is not None
    assert (first.edges, first.origin.seconds) == (again.edges, again.origin.seconds)


def test_files_come_back_and_are_of_this_model(result: Result, folder: Path) -> None:
    assert read(folder / "c.json") == read(folder / "c.graphml") == named(result, "C")
    text = HEAD + 'circuit F = load("./c.json") where abs(score) > 0.5\ncircuit G = load("./c.graphml")\nshow F, G'
    again = run_program(check_text(text, folder=folder), keep="off")
    pairs = [[(e.source, e.target) for e in c.edges] for c in (named(again, "F"), named(result, "Above"))]
    assert pairs[0] == pairs[1] != []
    assert named(again, "G").edges == named(result, "C").edges


def test_python_gets_the_same_scores(result: Result) -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    few = cq.data(EXAMPLES / "data/ioi.jsonl", name="few", prompt=row.clean, cluster=row.names, sample=12, seed=1)
    readout = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    made = cq.attribute(readout, start=do({gpt2.input: row.corrupt}), on=few, method="eap", seed=7)
    assert made.edges == named(result, "C").edges
    heads = cq.attribute(readout, start=do({gpt2.input: row.corrupt}), on=few, method="eap",
                         over=gpt2.layer["*"].head["*"].out @ all)  # fmt: skip
    assert heads.edges == named(result, "H").edges


def test_methods_that_are_there_are_known_to_the_checker() -> None:
    from causalcircuit.attribution import METHODS as THERE

    assert set(THERE) <= set(METHODS)


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run_program(check(EXAMPLES / "circuit.cq"), keep="off")
    whole, routes = named(found, "C"), named(found, "Routes")
    assert len(whole.edges) == 20
    assert 0 < len(routes.edges) < 20
    compared = found.circuits[-1].comparison
    assert compared is not None
    assert len(compared.shared.edges) >= 3  # tokens -> 0.2, 0.2 -> 1.3, 1.3 -> the readout


def test_the_page_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "circuits.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block.replace("./examples", str(EXAMPLES)), "docs/circuits.md", "exec"), {})
    assert (tmp_path / "c.json").is_file()
