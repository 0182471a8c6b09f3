"""What is measured of a circuit's trust on the shipped model: against exact patching, single wires, repeated rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.attribution import METHODS, Question, Scores, circuit, method, scores, trusted
from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.summary import Floats
from causalcircuit.attribution.trust_curve import faithfulness, sizes_of
from causalcircuit.attribution.trust_others import held_against_exact
from causalcircuit.attribution.trust_sample import agreement, draw
from causalcircuit.attribution.trust_subject import Subject, numbers_of, passes_a_row
from causalcircuit.attribution.trust_weights import shuffled
from causalcircuit.check import check_text
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, Cell, ModelRef, Site, World
from causalcircuit.query.circuit import Circuit, SizePoint
from causalcircuit.query.circuits.formulas import Attributed, Method
from causalcircuit.rows import Dataset, load
from tests.attribution.test_kept import assigned

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = """
model gpt2 = hf("./models/ioi")
data  ioi  = jsonl("{path}") with prompt = row.clean{more}
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, to = do(), method = eap) on ioi
"""
EAP = Method("eap")


def asked(more: str = " sample 12 seed 3", path: str = "./data/ioi.jsonl") -> tuple[ModelRef, Dataset, Question]:
    program = check_text(PROGRAM.format(path=path, more=more), folder=EXAMPLES)
    formula = program.circuits["C"].formula
    assert isinstance(formula, Attributed)
    question = Question(formula.model, formula.readout, formula.start, formula.end)
    return program.models[formula.model], load(formula.data), question


@pytest.fixture(scope="module")
def ioi() -> tuple[LoadedModel, Dataset, Question]:
    ref, data, question = asked()
    return load_model(ref), data, question


def subject_of(
    model: LoadedModel, data: Dataset, question: Question, how: Method = EAP, over: tuple[Site, ...] = ()
) -> Subject:
    found = scores(model, data, question, how.name, how.arguments, over=over)
    return Subject(model, data, question, how, over, found)


def made_of(subject: Subject, keep: int) -> Circuit:
    return circuit(subject.found, subject.question, subject.data, None, over=subject.over, keep=keep, seed=7)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exact(ioi: tuple[LoadedModel, Dataset, Question]) -> Scores:
    return scores(*ioi, "exact")


def test_full_trust_is_what_exact_patching_of_all_says(
    ioi: tuple[LoadedModel, Dataset, Question], exact: Scores
) -> None:
    subject = subject_of(*ioi)
    made = trusted(made_of(subject, 20), subject, Method("full", (110.0,)), 7)
    trust, truth = made.trust, exact.table.mean(0)
    assert trust is not None
    assert (trust.held, trust.top) == (110, 20)
    assert trust.pearson == pytest.approx(np.corrcoef(subject.value, truth)[0, 1], abs=1e-6)
    strong = set(np.argsort(-np.abs(truth))[:20].tolist())
    assert trust.recall == pytest.approx(len(strong & set(subject.order[:20].tolist())) / 20)
    assert trust.intervals == {}
    assert trust.cpr is not None
    assert set(trust.across) == {"gradcam_pp", "eap_ig(5)"}
    others = scores(*ioi, "eap_ig", (5,)).table.mean(0)
    both = set(np.argsort(-np.abs(others))[:20].tolist()) & set(subject.order[:20].tolist())
    assert trust.across["eap_ig(5)"] == pytest.approx(len(both) / (40 - len(both)))
    assert trust.randomised is not None
    assert trust.alike is not None
    assert trust.randomised < trust.alike  # the model is the odd one out
    assert trust.failures == ()
    assert trust.passes > 1000
    assert not any("not measured" in n for n in trust.notes)


def test_a_sample_is_patched_as_all_are(ioi: tuple[LoadedModel, Dataset, Question], exact: Scores) -> None:
    subject = subject_of(*ioi)
    drawn = draw(subject.order, 5, 10, 1)
    found, passes = held_against_exact(subject, range(subject.data.n), drawn)
    truth = agreement(subject.value, exact.table.mean(0)[drawn.held], drawn)
    assert found.pearson == pytest.approx(truth.pearson, abs=1e-5)
    assert found.spearman == pytest.approx(truth.spearman, abs=0.01)  # wires of next to no effect change places
    assert 0 < passes <= 2 * 15 * subject.data.n


def test_unasked_it_costs_no_more_than_its_budget(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    subject = subject_of(*ioi)
    trust = trusted(made_of(subject, 20), subject, Method("quick"), 7).trust
    assert trust is not None
    most = max(passes_a_row(EAP, 110) * subject.data.n, 1e10 / subject.work)
    assert 0 < trust.passes <= 1.05 * most  # four rows are looked at before
    again = trusted(made_of(subject, 20), subject, Method("quick"), 7).trust
    assert again == trust


def test_what_takes_a_seed_says_so_and_nothing_is_nothing(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    subject = subject_of(*ioi)
    made = circuit(subject.found, subject.question, subject.data, None, keep=20)  # type: ignore[arg-type]
    trust = trusted(made, subject, Method("quick")).trust
    assert trust is not None
    assert trust.randomised is None
    assert "shuffled weights: not measured, they take a `seed`" in trust.notes
    assert "stability: not measured, resampling takes a `seed`" in trust.notes
    assert trusted(made, subject, Method("none")).trust is None


def test_passes_a_row_are_those_that_methods_take(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    integrated = (Method("eap_ig", (3.0,)), Method("eap_ig_activations", (2.0,)))
    for how in (EAP, Method("gradcam_pp"), Method("relp"), *integrated):
        subject = subject_of(*ioi, how)
        assert subject.found.passes == subject.passes(how) * subject.data.n


@pytest.fixture
def noise() -> Iterator[Method]:
    """A method that looks at no weight: it fails every check that it can."""

    @method("noise")
    def _(chunk: Chunk) -> torch.Tensor:
        wires = len(chunk.bench.wiring)
        own = torch.randn(wires, generator=torch.Generator().manual_seed(5))
        _ = chunk.end
        return own.expand(len(chunk.range), wires)

    yield Method("noise")
    del METHODS["noise"]


def test_scores_that_owe_nothing_to_the_weights_fail(ioi: tuple[LoadedModel, Dataset, Question], noise: Method) -> None:
    subject = subject_of(*ioi, noise)
    trust = trusted(made_of(subject, 10), subject, Method("full", (110.0,)), 7).trust
    assert trust is not None
    assert trust.randomised == pytest.approx(1)
    said = " / ".join(trust.failures)
    assert "models with shuffled weights score wires alike" in said
    assert "agree little with exact patching" in said
    assert "exactly strongest wires are among" in said
    assert "other methods choose other wires" in said


def test_wires_between_some_nodes_by_exact_patching(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    """Faithfulness of `exact` with `over`: against the engine, which assigns each wire that is not kept."""
    model, data, question = ioi
    nodes = [a for a in Bench(Rows(model, data, question)).wiring.writes if str(a).endswith(("embed", "mlp.out"))]
    subject = subject_of(model, data, question, Method("exact"), tuple(Site(a, ALL) for a in nodes))
    count = len(subject.chosen)
    assert count == 6  # embed -> both MLPs, MLP 0 -> MLP 1, and the readout of all three
    kept = subject.order[:2].tolist()
    curve, _ = faithfulness(subject, sizes_of(subject, kept, whole=True), range(data.n))
    assert curve is not None
    bench = Bench(Rows(model, data, question))
    wiring, own = bench.wiring, subject.found.wiring
    every = {(wiring.source(i), wiring.target(i)): i for i in range(len(wiring))}
    place = [every[own.source(i), own.target(i)] for i in range(len(own))]
    worlds: list[World] = []
    for inside in (set(), set(kept), set(range(count))):
        mask = torch.ones(len(wiring), dtype=torch.bool)
        mask[[place[i] for i in range(count) if i not in inside]] = False
        worlds.append(assigned(bench, mask, question.readout, question.start, question.end))
    cells = [Cell(question.readout, w) for w in worlds]
    plan = make_plan(cells, data, {question.model: model.sites})
    found = execute(prepare(plan, {question.model: model}, data)).cells
    none, some, whole = (float(np.mean(found[c])) for c in cells)
    point = next(p for p in curve if p.size == 2)
    assert point.faithful == pytest.approx((some - none) / (whole - none), abs=1e-4)
    assert abs(whole - none) > 0.1


def test_a_weight_counts_as_often_as_its_row_would(tmp_path: Path) -> None:
    lines = [json.loads(x) for x in (EXAMPLES / "data/ioi.jsonl").read_text(encoding="utf-8").splitlines()[::30][:8]]
    times = [1, 3, 2, 1, 1, 4, 1, 2]
    weighed = [{**x, "w": w, "id": i} for i, (x, w) in enumerate(zip(lines, times, strict=True))]
    repeated = [x for x in weighed for _ in range(x["w"])]
    points: list[tuple[list[int], tuple[SizePoint, ...], Floats, Circuit]] = []
    for name, rows, more in (("w", weighed, " weight row.w"), ("r", repeated, ""), ("e", weighed, "")):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        ref, data, question = asked(f" cluster row.id{more}", str(path))
        subject = subject_of(load_model(ref), data, question)
        kept = points[0][0] if name == "e" else subject.order[:12].tolist()
        curve, _ = faithfulness(subject, sizes_of(subject, kept, whole=True), range(data.n))
        assert curve is not None
        points.append((kept, curve, subject.on(range(data.n)), made_of(subject, 12)))
    (kept, weights, value, made), (again, rows_, other, beside), (_, even, _, _) = points
    assert set(kept) == set(again)
    assert value == pytest.approx(other, abs=1e-4)
    assert [p.size for p in weights] == [p.size for p in rows_]
    for a, b in zip(weights, rows_, strict=True):
        assert a.faithful == pytest.approx(b.faithful, abs=1e-4)
        assert a.interval is not None
        assert b.interval is not None
        assert (a.interval.low, a.interval.high) == pytest.approx((b.interval.low, b.interval.high), abs=1e-3)
    assert made.trust is not None
    assert beside.trust is not None
    assert made.trust.jaccard == pytest.approx(beside.trust.jaccard, abs=1e-6)
    assert max(abs(a.faithful - b.faithful) for a, b in zip(weights, even, strict=True)) > 1e-3


def test_a_circuit_between_nodes_is_measured_as_it_is(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    subject = subject_of(*ioi)
    made = made_of(subject, 110)
    odd = replace(made, edges=made.edges[1:30], trust=None)  # not the strongest
    kept = numbers_of(subject, [(e.source, e.target) for e in odd.edges])
    assert kept == subject.order[1:30].tolist()
    sizes = sizes_of(subject, kept, whole=True)
    assert not sizes.nested
    alone, _ = faithfulness(subject, sizes_of(subject, kept, whole=False), range(subject.data.n))
    trust = trusted(odd, subject, Method("full", (20.0,)), 7).trust
    assert trust is not None
    assert alone is not None
    assert trust.curve[sizes.own].faithful == pytest.approx(alone[1].faithful, abs=1e-5)
    strongest, _ = faithfulness(
        subject, sizes_of(subject, subject.order[:29].tolist(), whole=True), range(subject.data.n)
    )
    assert strongest is not None
    assert abs(trust.curve[sizes.own].faithful - strongest[sizes.own].faithful) > 0.1


@pytest.mark.parametrize("name", ["ioi", "captioner"])
def test_shuffled_models_are_models_of_those_weights(name: str) -> None:
    """A copy is hooked as a model is that was loaded with its weights; the original keeps its own, whatever happens."""
    from benchmarks.attribution.agreement import QUESTIONS

    program = check_text(QUESTIONS[name], folder=EXAMPLES)
    formula = program.circuits["C"].formula
    assert isinstance(formula, Attributed)
    model = load_model(program.models[formula.model])
    data = load(formula.data).take([0, 40])
    question = Question(formula.model, formula.readout, formula.start, formula.end)
    before = {n: p.detach().clone() for n, p in model.hf.named_parameters()}
    first: dict[str, torch.Tensor] = {}
    for i, other in enumerate(shuffled(model, 7, 2)):
        weights = {n: p.detach().clone() for n, p in other.hf.named_parameters()}
        for key, p in weights.items():
            assert torch.equal(p.flatten().sort().values, before[key].flatten().sort().values)
        if i == 0:
            first = weights
            fresh = load_model(program.models[formula.model])
            with torch.no_grad():
                for key, p in fresh.hf.named_parameters():
                    p.copy_(weights[key])
            mine, truth = (scores(m, data, question, "eap").table for m in (other, fresh))
            assert np.allclose(mine, truth, atol=1e-5 * np.abs(truth).max())
            assert not np.allclose(mine, scores(model, data, question, "eap").table, atol=1e-3)
    assert any(not torch.equal(first[n], weights[n]) for n in first)
    assert all(torch.equal(p, before[n]) for n, p in model.hf.named_parameters())


def test_an_interrupt_leaves_the_weights_as_they_are(ioi: tuple[LoadedModel, Dataset, Question]) -> None:
    model = ioi[0]
    before = [p.detach().clone() for p in model.hf.parameters()]
    subject = subject_of(*ioi)

    def stop(what: str, done: int, total: int) -> None:
        if what == "shuffled weights" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trusted(made_of(subject, 10), subject, Method("full"), 7, stop)
    assert all(torch.equal(a, b) for a, b in zip(before, model.hf.parameters(), strict=True))
    assert all(torch.is_tensor(p) and not p.requires_grad for p in model.hf.parameters())
