"""Scores of circuits last: stopped, killed or done, what was scored is not scored again, and is the same bit by bit."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import causalcircuit.attribution as room
import causalcircuit.rows as rows
from causalcircuit.attribution import Means, Question, Scores, scores
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel, load
from causalcircuit.query import Program
from causalcircuit.query.circuits.formulas import Attributed, Method
from causalcircuit.rows import Dataset
from causalcircuit.runs import Keep, check_text, run_program, verifying
from causalcircuit.runs.keeping import Keeping
from causalcircuit.runs.scored import ScoreShelf, scored
from causalcircuit.store import Ledger, read_records
from tests.store.conftest import HEAD

torch.set_num_threads(1)
Heard = Callable[[int, int], None]
LINES = """let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, over = [gpt2.embed @ all, gpt2.layer[1].head[3].out @ all, gpt2.layer[1].mlp.out @ all],
  from = corrupt, method = eap{}) on d{}
show C
"""


def text(more: str = "", seed: str = "") -> str:
    return HEAD + LINES.format(more, seed)


@dataclass
class Asked:
    """An attribution with its model, which tests share."""

    program: Program
    formula: Attributed
    data: Dataset
    model: LoadedModel

    def by(self, method: str, *numbers: float) -> Asked:
        return replace(self, formula=replace(self.formula, method=Method(method, numbers)))

    def run(
        self, keep: Keep = "use", heard: Callable[[int, int], None] | None = None, seed: int | None = None
    ) -> Scores:
        keeping = Keeping.opened(keep)
        try:
            shelf = ScoreShelf.of(self.formula, self.program, self.data, keeping)
            f = self.formula
            question = Question(f.model, f.readout, f.start, f.end)
            given = (self.model, self.data, question, f.method.name, f.method.arguments, heard, f.over)
            return scores(*given, Means(seed=seed, lasting=shelf))
        finally:
            keeping.close()


@pytest.fixture
def asked(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setattr("causalcircuit.attribution.room.PLACES", 40)
    monkeypatch.setattr("causalcircuit.attribution.passes.USUAL", 100)
    program = check_text(text(), "t.cq", folder)
    formula = program.circuits["C"].formula
    assert isinstance(formula, Attributed)
    return Asked(program, formula, rows.load(formula.data), load(program.models["gpt2"]))


def stopping(after: int) -> Callable[[int, int], None]:
    calls = 0

    def heard(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt

    return heard


@pytest.mark.parametrize(("method", "numbers"), [("eap", ()), ("exact", ())])
def test_what_was_scored_before_an_interruption_is_kept(asked: Asked, method: str, numbers: tuple[float, ...]) -> None:
    own = asked.by(method, *numbers)
    truth = own.run("off")
    with pytest.raises(KeyboardInterrupt):
        own.run(heard=stopping(2 if method == "eap" else 20))
    rest = own.run()
    assert 0 < rest.passes < truth.passes
    assert rest.table.tobytes() == truth.table.tobytes()
    again = own.run()
    assert (again.passes, again.stored) == (0, 12)
    assert again.table.tobytes() == truth.table.tobytes()
    assert own.run("fresh").passes == truth.passes


def test_killed_at_some_moments(asked: Asked, store: Path) -> None:
    truth = asked.run("off").table.tobytes()
    began = time.perf_counter()
    asked.run("off")
    within = time.perf_counter() - began
    at_work = 0
    for seed in range(6):
        pid = os.fork()
        if pid == 0:
            try:
                asked.run()
            finally:
                os._exit(0)
        time.sleep(random.Random(seed).uniform(0, within))
        os.kill(pid, signal.SIGKILL)
        at_work += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert at_work > 1
    assert asked.run().table.tobytes() == truth
    assert Ledger(store).remarks == ()


def test_other_questions_are_not_found(asked: Asked) -> None:
    asked.run()
    assert asked.by("eap_ig", 2).run().stored == 0
    other = replace(asked, formula=replace(asked.formula, start=asked.formula.end, end=asked.formula.start))
    assert other.run().stored == 0
    some = replace(asked, data=asked.data.take([3, 4, 5]))
    assert some.run().stored == 3  # rows are known one by one


def test_sums_of_many_rows(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    table = asked.run("off", seed=7)
    monkeypatch.setattr("causalcircuit.attribution.room.TABLE", 10_000)
    monkeypatch.setattr("causalcircuit.attribution.attribute.size_of", lambda *_: 0)
    monkeypatch.setattr("causalcircuit.attribution.scoring._EVERY", 0.0)
    whole = asked.run("off", seed=7)
    assert whole.table.shape == (0, len(whole.wiring))
    every = np.arange(len(whole.wiring))
    assert whole.means(asked.data, every)[0] == pytest.approx(table.means(asked.data, every)[0], rel=1e-9, abs=1e-12)
    assert whole.means(asked.data, every)[1] == pytest.approx(table.means(asked.data, every)[1], rel=1e-6, abs=1e-9)
    one, other = (x.stability(asked.data, every, 10, 7) for x in (whole, table))
    assert one is not None
    assert other is not None
    assert one[0] == pytest.approx(other[0], abs=1e-9)
    with pytest.raises(KeyboardInterrupt):
        asked.run(heard=stopping(2), seed=7)
    rest = asked.run(seed=7)
    assert 0 < rest.passes < whole.passes
    assert 0 < rest.stored < 12
    assert rest.means(asked.data, every)[0].tobytes() == whole.means(asked.data, every)[0].tobytes()
    again = asked.run(seed=7)
    assert (again.passes, again.stored) == (0, 12)
    assert again.means(asked.data, every)[1].tobytes() == whole.means(asked.data, every)[1].tobytes()


def test_a_second_run_needs_no_model(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "trusted", lambda made, *_, **__: made)
    program = check_text(text(", keep = 5 edges", " seed 3"), "t.cq", folder)
    first = run_program(program)
    assert first.run["stored"] == 0
    assert first.run["computed"] == 12 * first.circuits[0].circuits[0].origin.considered  # type: ignore[union-attr]

    def refused(*_: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("causalcircuit.models.load", refused)
    second = run_program(program)
    assert second.circuits == first.circuits
    assert (second.run["stored"], second.run["computed"]) == (first.run["computed"], 0)
    assert second.manifest["models"] == first.manifest["models"]
    assert [(r.state, r.rows, r.computed) for r in read_records(Ledger(store))] == [
        ("done", 12, 0), ("done", 12, first.run["computed"]),
    ]  # fmt: skip
    with pytest.raises(AssertionError, match="loaded"):  # of another wish the scores are known, and the wires are not
        run_program(check_text(text(", keep = 6 edges", " seed 3"), "t.cq", folder))


def test_another_wish_takes_no_passes(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "trusted", lambda made, *_, **__: made)
    run_program(check_text(text(), "t.cq", folder))
    other = run_program(check_text(text(", keep = 6 edges", " seed 3"), "t.cq", folder))
    assert other.run["computed"] == 0
    assert other.circuits[0].circuits[0].origin.passes == 0  # type: ignore[union-attr]


def test_circuits_are_verified(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "trusted", lambda made, *_, **__: made)
    path = folder / "t.cq"
    path.write_text(text(", keep = 5 edges", " seed 3") + 'save C to "./c.json"\n')
    run_program(check_text(path.read_text(), str(path), folder))
    (folder / "c.json").write_text("mine")
    (record,) = read_records(Ledger(store))
    found, changed = verifying.verify(verifying.claimed(record.id))
    assert [(c.name, c.how) for c in found] == [("C", "equal")]
    assert changed == []
    assert (folder / "c.json").read_text() == "mine"
    record.result["circuits"][0]["edges"][2]["score"]["value"] += 0.01
    found, _ = verifying.verify(replace(verifying.claimed(record.id), result=record.result))
    assert [(c.name, c.how) for c in found] == [("C", "differs")]


def test_a_model_that_changes_is_another(asked: Asked, folder: Path) -> None:
    asked.run()
    weights = folder / "models/ioi/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert asked.run().stored == 0


def test_an_interrupted_run_is_on_record(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "trusted", lambda made, *_, **__: made)
    monkeypatch.setattr("causalcircuit.attribution.room.PLACES", 40)
    program = check_text(text(), "t.cq", folder)
    calls = 0

    def progress(done: int, total: int, what: str) -> None:
        nonlocal calls
        calls += 1
        assert (total, what) == (12, "d")
        if calls == 2:
            raise KeyboardInterrupt

    stopped = run_program(program, progress=progress)
    assert stopped.interrupted
    assert stopped.circuits == ()
    whole = run_program(program)
    assert 0 < whole.run["stored"] < whole.run["stored"] + whole.run["computed"]
    assert [r.state for r in read_records(Ledger(store))] == ["done", "interrupted"]


def test_half_precision_is_scored_in_float32(folder: Path) -> None:
    """The scores of a model in bfloat16 are those of its weights in float32, and its weights stay as they were."""
    half = check_text(text().replace('ioi")', 'ioi") with dtype = bfloat16', 1), "t.cq", folder)
    formula = half.circuits["C"].formula
    assert isinstance(formula, Attributed)
    model = load(half.models["gpt2"])
    before = {k: v.clone() for k, v in model.hf.state_dict().items()}
    made, _ = scored(replace(formula, keep=None), half, rows.load(formula.data), lambda _: model, Keeping.opened("off"))
    after = model.hf.state_dict()
    assert all(v.dtype == after[k].dtype and torch.equal(v, after[k]) for k, v in before.items())
    whole = load(replace(half.models["gpt2"], dtype="float32"))
    whole.hf.load_state_dict({k: v.float() for k, v in before.items()})
    question = Question(formula.model, formula.readout, formula.start, formula.end)
    data = rows.load(formula.data)
    truth = scores(whole, data, question, "eap")
    value = truth.means(data, np.arange(len(truth.wiring)))[0]
    known = {(truth.wiring.source(i), truth.wiring.target(i)): float(value[i]) for i in range(len(value))}
    assert made.edges
    for e in made.edges:
        assert e.score is not None
        assert e.score.value == pytest.approx(known[e.source, e.target], rel=1e-5, abs=1e-6)
    assert made.origin is not None
    assert made.origin.dtype == "bfloat16"
    assert made.trust is not None
    assert any("calculated in float32" in n for n in made.trust.notes)


def test_packed_half_precision_is_refused(folder: Path) -> None:
    program = check_text(text().replace('ioi")', 'ioi") with dtype = bfloat16', 1), "t.cq", folder)
    formula = program.circuits["C"].formula
    assert isinstance(formula, Attributed)
    model = load(program.models["gpt2"])
    model.hf.config.quantization_config = {"quant_method": "none of these"}
    with pytest.raises(DiagnosticError, match="CQ822"):
        scored(formula, program, rows.load(formula.data), lambda _: model, Keeping.opened("off"))
