"""Methods of attribution, each held against the language, differences or exact patching."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.attribution.agreement import Agreement, agreement
from causalcircuit.attribution import METHODS, Question, Scores, scores
from causalcircuit.attribution.attribute import considered
from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.rules import relevance
from causalcircuit.attribution.walk import gradients_of
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import FACTUAL, Site
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.rows import Dataset, load
from causalcircuit.runs import run_program
from tests.attribution.test_wires import model_and_rows, moved
from tests.circuits.samples import site
from tests.truth.say import M, read
from tests.wires.conftest import doubled

EXAMPLES = Path(__file__).parents[2] / "examples"
IOI = """
model gpt2 = hf("./models/ioi") with dtype = float64
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean sample 6 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
"""
WIRES = (
    ("embed", "layer[0].head[2].q"),
    ("layer[0].head[2].out", "layer[1].head[3].k"),
    ("embed", "layer[0].mlp.in"),
    ("layer[1].head[3].out", None),
    ("layer[0].head[1].out", "layer[1].head[0].v"),
    ("layer[0].mlp.out", "layer[1].mlp.in"),
)


torch.set_num_threads(1)


@dataclass(repr=False)
class Asked:
    """A model with the question that is asked of it."""

    model: LoadedModel
    data: Dataset
    question: Question

    def scores(self, method: str, *numbers: float, over: tuple[Site, ...] = ()) -> Scores:
        return scores(self.model, self.data, self.question, method, numbers, over=over)


def asked_of(text: str) -> Asked:
    program = check_text(text, folder=EXAMPLES)
    found = program.circuits["C"].formula
    assert isinstance(found, Attributed)
    question = Question(found.model, found.readout, found.start, found.end)
    return Asked(load_model(program.models[found.model]), load(found.data), question)


@pytest.fixture(scope="module")
def ioi() -> Asked:
    return asked_of(IOI + "circuit C = attribute(LD, from = corrupt, method = eap) on ioi")


def test_exact_scores_are_what_the_language_says_of_wires(ioi: Asked) -> None:
    asked = "".join(
        f"node A{i} = gpt2.{a} @ all\n"
        + ("" if b is None else f"node B{i} = gpt2.{b} @ all\n")
        + f"let w{i} = do((A{i} -> {'LD' if b is None else f'B{i}'}) = (A{i} | do()))\n"
        + f"let E{i} = E[LD | corrupt, w{i}] - E[LD | corrupt]\n"
        for i, (a, b) in enumerate(WIRES)
    )
    names = ", ".join(f"E{i}" for i in range(len(WIRES)))
    said = run_program(check_text(IOI + asked + f"estimate {names} on ioi", folder=EXAMPLES)).estimates
    whole = ioi.scores("exact")
    wiring = whole.wiring
    assert len(wiring) == 110
    ends = {
        (wiring.writes[w], wiring.reads[r]): i
        for i, (w, r) in enumerate(zip(wiring.writers.tolist(), wiring.readers.tolist(), strict=True))
    }
    values = []
    for (a, b), estimate in zip(WIRES, said, strict=True):
        at = ends[site(a, model="gpt2").address, None if b is None else site(b, model="gpt2").address]
        values.append(whole.table[:, at].mean())
        assert values[-1] == pytest.approx(estimate.value, abs=1e-12)
    assert max(map(abs, values)) > 0.1  # there is something to be wrong about


def test_exact_pays_only_for_the_wires_that_are_considered(ioi: Asked) -> None:
    over = tuple(site(a, model="gpt2") for a in ("embed", "layer[0].head[2].out", "layer[1].head[3].out"))
    whole, part = ioi.scores("eap"), ioi.scores("exact", over=over)
    table, numbers = considered(whole, over)
    assert part.table.shape == table.shape
    assert part.wiring.writers.tolist() == whole.wiring.writers[numbers].tolist()
    assert part.wiring.readers.tolist() == whole.wiring.readers[numbers].tolist()
    np.testing.assert_array_equal(considered(part, over)[0], part.table)
    assert np.corrcoef(part.table.mean(0), table.mean(0))[0, 1] > 0.9


def agreement_on(sample: str) -> Agreement:
    asked = asked_of(
        IOI.replace(" with dtype = float64", "").replace(" sample 6 seed 3", sample)
        + "circuit C = attribute(LD, from = corrupt, method = eap) on ioi"
    )
    exact = asked.scores("exact").table.mean(0)
    shuffled = agreement(np.random.default_rng(0).permutation(exact), exact)
    assert shuffled.pearson < 0.5
    assert shuffled.top < 0.5
    return agreement(asked.scores("eap_ig", 10).table.mean(0), exact)


def test_gradients_of_the_way_agree_with_exact_patching() -> None:
    found = agreement_on(" sample 60 seed 20261122")
    assert found.pearson >= 0.9
    assert found.tenth >= 0.7  # eleven ranks of sixty rows: their bar is that of all rows, below
    assert found.top >= 0.8


@pytest.mark.slow
def test_gradients_of_the_way_agree_with_exact_patching_on_all_rows() -> None:
    found = agreement_on("")
    assert found.pearson >= 0.9
    assert found.tenth >= 0.8
    assert found.top >= 0.8


def test_steps_approach_the_integral(ioi: Asked) -> None:
    whole = ioi.scores("eap_ig", 64).table
    gap = [np.abs(ioi.scores("eap_ig", m).table - whole).max() for m in (2, 8)]
    assert gap[1] < gap[0] / 4


def chunk_of(name: str, factory: pytest.TempPathFactory) -> Chunk:
    """One row of a tiny model without biases, in which relevance has nowhere else to go."""
    with warnings.catch_warnings(action="ignore"):
        model, data, word = model_and_rows(name, factory)
    with torch.no_grad():
        for label, weights in model.hf.named_parameters():
            if "bias" in label.rsplit(".", 1)[-1]:
                weights.zero_()
    return Chunk(Bench(Rows(model, data, Question(M, read("logit", word), FACTUAL, moved(model)))), range(1))


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral", "bloom", "vision_encoder_decoder"])
def test_relevance_is_conserved_and_values_stay(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with nullcontext() if name == "bloom" else doubled():
        functional.softmax.__name__ = "softmax"  # the double is to be known by the name of what it stands for
        plain = chunk_of(name, tmp_path_factory)
        held = Chunk(plain.bench, plain.range)
        with relevance(plain.bench.rows.model):
            here = held.start
        found = METHODS["relp"](Chunk(plain.bench, plain.range))[0]
        before, change = plain.start, held.delta
    for node, value in before.nodes.items():
        torch.testing.assert_close(here.nodes[node].detach(), value.detach(), rtol=0, atol=1e-12)
    near = 2e-6 if name == "bloom" else 1e-9
    whole, slope = (_inflow(chunk) for chunk in (held, plain))
    assert here.score is not None
    score = float(here.score.detach())
    assert whole == pytest.approx(score, rel=near)
    assert abs(slope - score) > 1e-2 * abs(score)  # gradients are no relevance: the rules do something
    # And what leaves the first stream by its wires is what leaves it at all.
    wiring = plain.bench.wiring
    first = next(i for i, w in enumerate(wiring.writes) if w.local in ("embed", "encoder.embed"))
    root = "encoder.resid[0]" if name == "vision_encoder_decoder" else "resid[0]"
    gone = float((change[root] * gradients_of(here)[root]).sum().detach())
    assert float(found[wiring.writers == first].sum()) == pytest.approx(gone, rel=near)


def _inflow(chunk: Chunk) -> float:
    """What of the readout comes from the first stream of each tower."""
    gradients = gradients_of(chunk.start)
    return sum(float((chunk.start.nodes[r] * gradients[r]).sum().detach()) for r in chunk.streams.roots)


def test_relevance_names_the_part_that_it_does_not_see(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = chunk_of("gpt2", tmp_path_factory)
    model = chunk.bench.rows.model

    def own(x: Tensor) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)

    monkeypatch.setattr(model.hf.transformer.ln_f, "forward", own)
    with pytest.raises(DiagnosticError) as caught, relevance(model):
        _ = chunk.start
    (found,) = caught.value.diagnostics
    assert found.code == "CQ790"
    assert "`transformer.ln_f`" in found.message
