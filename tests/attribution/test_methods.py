"""Methods of attribution, each held against the language, differences or exact patching."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.attribution import Question, Scores, scores
from causalcircuit.attribution.attribute import considered
from causalcircuit.check import check_text
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import Site
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.rows import Dataset, load
from causalcircuit.runs import run_program
from tests.circuits.samples import site

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
