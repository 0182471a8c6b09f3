"""`cq plan`: what is known without weights, pilots, stored outcomes, analysis, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.forecast import Forecast
from causalcircuit.report.forecast import duration, forecast_json, forecast_text, operations, size
from causalcircuit.runs.widths import _whole_clusters
from tests.tools.programs import ESTIMATE, HEAD
from tests.tools.programs import cq as command

EXAMPLES = Path(__file__).parents[2] / "examples"
TREE = HEAD + "estimate E[LD | do(NM = 0)] - E[LD], E[LD | do(gpt2.layer[0].head[1].out @ last = 0)] - E[LD] on ioi\n"


@pytest.fixture(scope="module")
def tree() -> Forecast:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:  # of a model so small, passes are joined: starting one costs more
        patch.setattr("causalcircuit.engine.schedule._PASS", 0)
        return cq.plan(TREE)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The example of interchange, whose model has no weights."""
    for part in ("models/ioi", "data"):
        shutil.copytree(EXAMPLES / part, tmp_path / part)
    shutil.copy(EXAMPLES / "interchange.cq", tmp_path)
    for file in (tmp_path / "models/ioi").glob("*.safetensors"):
        file.unlink()
    return tmp_path / "interchange.cq"


def test_worlds_hang_on_the_pass_that_they_resume(tree: Forecast) -> None:
    (data,) = tree.data
    root, early, late = data.worlds
    assert (root.world, root.base, root.runs, root.first) == ("do()", None, 2, 0)
    assert (early.base, early.layer, early.runs, late.base, late.layer, late.runs) == (0, 0, 2, 0, 1, 1)
    assert late.world == "do(NM = 0)"
    assert 0 < early.first == late.first < root.positions
    assert late.flops < early.flops < root.flops
    assert sum(w.flops for w in data.worlds) == pytest.approx(data.cost.flops, rel=1e-9)
    assert [q.worlds for q in data.questions] == [2, 2]
    assert {q.width.source for q in data.questions} == {"unknown"}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_fits_the_terminal(tree: Forecast, width: int) -> None:
    text = forecast_text(tree, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {"├─", "└─"} <= set(text.split())
    plain = forecast_text(tree, width=width, ascii_only=True)
    assert plain.isascii()
    assert "\x1b[" in forecast_text(tree, width=width, colour=True)


def test_the_json_holds_all_of_it(tree: Forecast) -> None:
    said = json.loads(forecast_json(tree))
    assert (said["schema"], said["plan"], said["positions_a_pass"]) == (1, "full", 2048)
    assert said["data"][0]["cost"]["passes"] == tree.data[0].cost.passes
    assert said["models"][0]["sketched"] is True


def test_a_folder_without_weights_is_planned_alike(copied: Path) -> None:
    bare = cq.plan(copied)
    whole = cq.plan(EXAMPLES / "interchange.cq")
    assert bare.data[0].cost == whole.data[0].cost
    assert bare.data[0].worlds == whole.data[0].worlds
    assert bare.models[0].weights == whole.models[0].weights


def test_weights_are_not_opened(copied: Path) -> None:
    """Of a file of weights at most the header is read: the numbers of this one are not there."""
    folder = copied.parent / "models/ioi"
    whole = (EXAMPLES / "models/ioi/model.safetensors").read_bytes()
    header = int.from_bytes(whole[:8], "little") + 8
    with (folder / "model.safetensors").open("wb") as file:
        file.write(whole[:header])
        file.truncate(len(whole))
    assert cq.plan(copied).data[0].cost == cq.plan(EXAMPLES / "interchange.cq").data[0].cost


@pytest.mark.parametrize(
    ("gone", "code"), [("config.json", "CQ502"), ("tokenizer.json", "CQ534"), ("../../data/ioi_pairs.jsonl", "CQ401")]
)
def test_what_is_missing_is_named(copied: Path, gone: str, code: str) -> None:
    path = copied.parent / "models/ioi" / gone
    assert path.exists()
    path.unlink()
    with pytest.raises(DiagnosticError) as caught:
        cq.plan(copied)
    assert code in {d.code for d in caught.value.diagnostics}


def test_a_module_by_its_path_needs_weights(copied: Path) -> None:
    copied.write_text(
        'model m = hf("./models/ioi")\n'
        'data d = jsonl("./data/ioi.jsonl") with prompt = row.clean\n'
        'node M = m.module("transformer.h.0") @ last\n'
        "estimate E[m.logit[row.io] @ last | do(M = 0)] on d\n"
    )
    with pytest.raises(DiagnosticError) as caught:
        cq.plan(copied)
    assert {d.code for d in caught.value.diagnostics} == {"CQ762"}


def test_a_pilot_is_scaled_to_all_rows() -> None:
    text = ESTIMATE.replace(" sample 40 seed 1", "")
    pilot = cq.plan(text, pilot=60).data[0].questions
    run = cq.run(text)
    for question, estimate in zip(pilot, run.estimates, strict=True):
        assert estimate.interval is not None
        assert question.width.value is not None
        actual = estimate.interval.high - estimate.interval.low
        assert question.width.source == "pilot"
        assert "scaled by the root of" in question.width.why
        assert question.width.value == pytest.approx(actual, rel=0.5)


def test_stored_outcomes_tell_the_width(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(tmp_path / "store"))
    run = cq.run(ESTIMATE)
    (data,) = cq.plan(ESTIMATE).data
    assert data.stored == 1
    for question, estimate in zip(data.questions, run.estimates, strict=True):
        assert estimate.interval is not None
        assert question.width.source == "stored"
        assert question.width.value == pytest.approx(estimate.interval.high - estimate.interval.low, rel=1e-9)


def test_an_analysis_stands_beside_the_prediction() -> None:
    (data,) = cq.plan(TREE, analyze=True).data
    assert data.actual is not None
    assert data.actual.seconds is not None
    assert (data.actual.passes, data.actual.row_passes) == (data.cost.passes, data.cost.row_passes)
    assert data.actual.flops == pytest.approx(data.cost.flops, rel=0.01)
    assert all((q.actual or 0) > 0 for q in data.questions)
    assert "actual" in forecast_text(cq.plan(TREE, analyze=True))


def test_texts_are_counted_to_their_last_token() -> None:
    text = HEAD + 'estimate P(gpt2.text(tokens = 3) mentions ["Mary"] | do(NM = 0)) on ioi\n'
    (data,) = cq.plan(text, analyze=True).data
    assert data.most
    assert data.actual is not None
    assert (data.cost.passes, data.cost.row_passes) == (3 + 9, 3 * 40)  # no text ends here before its third token
    assert (data.actual.passes, data.actual.row_passes) == (data.cost.passes, data.cost.row_passes)
    assert data.actual.flops == pytest.approx(data.cost.flops, rel=0.03)  # an item more or less of the proof's


def test_pilots_take_whole_clusters() -> None:
    data = cq.data(EXAMPLES / "data/ioi.jsonl", cluster=cq.row.names).rows()
    chosen = _whole_clusters(data, 20)
    labels = [str(v) for v in data.column("names")]
    taken = {labels[i] for i in chosen}
    assert len(chosen) >= 20
    assert len(chosen) == sum(label in taken for label in labels)
    assert len(_whole_clusters(data, 10**6)) == data.n


def test_naive_plans_share_nothing() -> None:
    naive = cq.plan(TREE, plan="naive").data[0]
    assert {(w.base, w.layer, w.first) for w in naive.worlds} == {(None, 0, 0)}


@pytest.mark.parametrize("said", ["4 potatoes", "-3GB", "", "0GB", "GB", "1e9", "4GB2", "nan", "99999999999TB"])
def test_a_size_that_is_none(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(ESTIMATE)
    for word in ("plan", "run"):
        done = command(monkeypatch, word, str(path), "--max-memory", said)
        assert (done.code, done.out) == (2, "")
        assert "error[CQ760]" in done.err


def test_a_limit_that_holds_no_row_says_what_one_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(ESTIMATE)
    for word in ("plan", "run"):
        done = command(monkeypatch, word, str(path), "--max-memory", "0.6MB", *(["--fresh"] if word == "run" else []))
        assert done.code == 2
        assert "error[CQ761]" in done.err
        assert "one needs" in done.err
    enough = done.err.partition("`--max-memory ")[2].partition("`")[0]
    assert command(monkeypatch, "run", str(path), "--fresh", "--max-memory", enough).code == 0


def test_answers_under_a_limit_are_the_same() -> None:
    from causalcircuit.runs import Runner

    program = cq.program(TREE)
    wide, tight = (Runner(keep="off", limit=limit).run(program) for limit in (None, 1_500_000))
    for one, other in zip(wide.estimates, tight.estimates, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-4)


def test_a_file_with_errors_is_said_as_by_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(HEAD + "estimate E[LDX] on ioi\n")
    plan, check = (command(monkeypatch, word, str(path)) for word in ("plan", "check"))
    assert (plan.code, plan.err) == (check.code, check.err)


def test_nothing_to_plan_and_a_pilot_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(ESTIMATE)
    assert "CQ764" in command(monkeypatch, "plan").err
    assert "CQ763" in command(monkeypatch, "plan", str(path), "--pilot", "1").err
    path.write_text(HEAD)
    assert "Nothing is asked" in command(monkeypatch, "plan", str(path)).out
    assert json.loads(command(monkeypatch, "plan", str(path), "--json").out)["data"] == []


def test_figures() -> None:
    assert (size(999), size(1000), size(4.2e9)) == ("999 B", "1 kB", "4.2 GB")
    assert (operations(0), operations(2.5e13)) == ("0 FLOP", "25 TFLOP")
    assert (duration(None), duration(0.5), duration(3 * 86400)) == ("unknown", "500 ms", "3 days")
