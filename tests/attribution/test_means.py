"""Means of nodes as one side of a contrast: held against the language, differences of worlds and means by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import causalcircuit as cq
from causalcircuit import E, all, do, last, row
from causalcircuit.attribution import Question, scores
from causalcircuit.attribution.attribute import Scores
from causalcircuit.attribution.node_circuits import node_scores
from causalcircuit.attribution.parts import part
from causalcircuit.attribution.trust_curve import faithfulness, sizes_of
from causalcircuit.attribution.trust_others import held_against_exact
from causalcircuit.attribution.trust_sample import draw
from causalcircuit.attribution.trust_subject import Subject
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, FACTUAL, Address, Counterfactual, Mean, Site
from causalcircuit.query.circuits.baseline import Baseline
from causalcircuit.query.circuits.document import circuit_of, document
from causalcircuit.query.circuits.formulas import Attributed, Method
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.query.circuits.wording import text_of
from causalcircuit.rows import Dataset, load
from causalcircuit.runs import run_program
from tests.attribution.slopes import Ends, slopes
from tests.attribution.test_ends import READOUT, Pair, end, pair  # noqa: F401
from tests.truth.say import M, site

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi") with dtype = float64
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 6 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node X = gpt2.embed @ all
node A = gpt2.layer[0].head[2].out @ all
node B = gpt2.layer[1].mlp.out @ all
node Q = gpt2.layer[1].head[3].q @ all
let corrupt = do(gpt2.input = row.corrupt)
"""
CELLS = """
let direct = E[LD | do((B -> LD) = mean(B, pooled))] - E[LD]
let query  = E[LD | do((A -> Q) = mean(A, pooled))] - E[LD]
let node   = E[LD | do(A = mean(A, pooled))] - E[LD]
let other  = E[LD | do((A -> Q) = mean((A | corrupt), pooled))] - E[LD]
let seen   = E[LD | corrupt, do((A -> Q) = mean(A, pooled))] - E[LD | corrupt]
estimate direct, query, node, other, seen on ioi
"""
Case = tuple[LoadedModel, Dataset]


def formula(line: str, head: str = HEAD) -> Attributed:
    found = check_text(f"{head}circuit C = attribute(LD, {line}) on ioi", folder=EXAMPLES).circuits["C"].formula
    assert isinstance(found, Attributed)
    return found


def question(line: str) -> Question:
    made = formula(line)
    turned = made.baseline is not None and made.baseline.side == "from"
    return Question(made.model, made.readout, made.start, made.end, turned)


@pytest.fixture(scope="module")
def ioi() -> Case:
    program = check_text(HEAD, folder=EXAMPLES)
    return load_model(program.models["gpt2"]), load(formula("from = corrupt, method = eap").data)


@pytest.fixture(scope="module")
def said() -> dict[str, float]:
    found = run_program(check_text(HEAD + CELLS, folder=EXAMPLES)).estimates
    return {e.name: e.value for e in found}


def of(found: Scores, source: str, target: str | None) -> float:
    w = found.wiring
    at = [i for i in range(len(w)) if str(w.source(i).address) == f"gpt2.{source}"
          and (None if w.target(i) is None else str(w.target(i).address)) == (target and f"gpt2.{target}")]  # type: ignore[union-attr]  # fmt: skip
    return float(found.table[:, at[0]].mean())


HEADS = ("layer[0].head[2].out", "layer[1].head[3].q")


def test_exact_scores_are_what_the_language_says(ioi: Case, said: dict[str, float]) -> None:
    over = "over = [X, A, B, gpt2.layer[1].head[3].out @ all], method = exact"
    sites = formula(f"from = do(), to = mean(pooled), {over}").over
    whole = scores(*ioi, question(f"from = do(), to = mean(pooled), {over}"), "exact", over=sites)
    assert of(whole, "layer[1].mlp.out", None) == pytest.approx(said["direct"], abs=1e-10)
    assert of(whole, *HEADS) == pytest.approx(said["query"], abs=1e-10)
    assert abs(said["direct"]) > 1
    assert abs(said["query"]) > 1e-3
    turned = scores(*ioi, question(f"from = mean(pooled), {over}"), "exact", over=sites)
    np.testing.assert_array_equal(turned.table, -whole.table)
    other = scores(*ioi, question(f"from = do(), to = mean(corrupt, pooled), {over}"), "exact", over=sites)
    assert of(other, *HEADS) == pytest.approx(said["other"], abs=1e-10)
    seen = scores(*ioi, question(f"from = corrupt, to = mean(pooled), {over}"), "exact", over=sites)
    assert of(seen, *HEADS) == pytest.approx(said["seen"], abs=1e-10)
    assert len({round(said[k], 6) for k in ("query", "other", "seen")}) == 3


def test_nodes_too(ioi: Case, said: dict[str, float]) -> None:
    line = "from = do(), to = mean(pooled), over = [A, B], method = exact_nodes"
    found = node_scores(*ioi, question(line), "exact_nodes", over=formula(line).over)
    assert found.table[:, 0].mean() == pytest.approx(said["node"], abs=1e-10)
    turned = node_scores(
        *ioi, question(line.replace("from = do(), to", "from")), "exact_nodes", over=formula(line).over
    )
    np.testing.assert_array_equal(turned.table, -found.table)
    first = node_scores(*ioi, question(line), "atp", over=formula(line).over)
    assert np.sign(first.table[:, 1].mean()) == np.sign(found.table[:, 1].mean())


@pytest.mark.parametrize("method", ["eap", "relp", "gradcam_pp", "ifr", "eap_ig_activations"])
def test_every_method_turns_its_sign(ioi: Case, method: str) -> None:
    numbers = (2,) if method.startswith("eap_ig") else ()
    a = scores(*ioi, question("from = do(), to = mean(pooled), method = eap"), method, numbers)
    b = scores(*ioi, question("from = mean(pooled), method = eap"), method, numbers)
    np.testing.assert_array_equal(a.table, -b.table)
    assert np.abs(a.table).max() > 0.1


def test_scores_are_slopes_towards_the_mean(pair: Pair) -> None:  # noqa: F811
    model, data = pair
    nodes = nodes_of(model.sites, M)
    there = Baseline(pooled=True).of(nodes)
    found = scores(model, data, Question(M, READOUT, FACTUAL, there), "eap")
    strong = np.argsort(-np.abs(found.table).max(0))[:40:3]
    wires: list[Ends] = [(found.wiring.source(i), found.wiring.target(i) or READOUT, None) for i in strong.tolist()]
    for i, near in zip(strong, slopes(model, data, READOUT, wires, there, 2e-3), strict=True):
        np.testing.assert_allclose(found.table[:, i], near, rtol=0, atol=1e-6)


def test_the_mean_is_that_of_the_rows_by_their_weights(ioi: Case) -> None:
    """By hand: what an MLP writes, averaged over each row's positions, then over rows."""
    model, data = ioi
    kept: list[torch.Tensor] = []
    handle = model.hf.transformer.h[1].mlp.register_forward_hook(lambda _m, _i, y: kept.append(y.detach()[0]))
    tokenizer = model.tokenizer
    for text in data.column("clean"):
        model.hf(torch.tensor([tokenizer(text)["input_ids"]]))
    handle.remove()
    mean = torch.stack([k.mean(0) for k in kept]).mean(0)
    # What is written last and read at the end: by logits of the last norm of the stream with it at its mean.
    line = "from = do(), to = mean(pooled), method = exact"
    found = scores(model, data, question(line + ", over = [B]"), "exact", over=formula(line + ", over = [B]").over)
    assert found.table.shape[1] == 1
    wanted = []
    for text, io, subj in zip(data.column("clean"), data.column("io"), data.column("subj"), strict=True):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        read = []
        for put in (False, True):
            hook = model.hf.transformer.h[1].mlp.register_forward_hook(
                lambda _m, _i, y, put=put: mean.expand_as(y) if put else y
            )
            logits = model.hf(ids).logits[0, -1]
            hook.remove()
            a, b = (tokenizer(f" {w}" if not w.startswith(" ") else w)["input_ids"][-1] for w in (io, subj))
            read.append(float(logits[a] - logits[b]))
        wanted.append(read[1] - read[0])
    np.testing.assert_allclose(found.table[:, 0], wanted, rtol=0, atol=1e-9)


def test_inputs_move_to_their_mean(ioi: Case) -> None:
    line = "from = do(), to = mean(pooled), method = eap_ig(2)"
    way, here = (scores(*ioi, question(line), m, n) for m, n in (("eap_ig", (2,)), ("eap", ())))
    assert np.abs(way.table - here.table).max() > 0.1


def test_faithfulness_is_that_of_kept_wires_beside_means(ioi: Case) -> None:
    """`from = mean`: what is not kept carries means, as in `do(outside(C) = (outside(C) | w))`."""
    model, data = ioi
    asked = question("from = mean(pooled), method = eap")
    found = scores(model, data, asked, "eap")
    subject = Subject(model, data, asked, Method("eap"), (), found)
    kept = subject.order[:30].tolist()
    curve, _ = faithfulness(subject, sizes_of(subject, kept, whole=False), range(data.n))
    assert curve is not None
    own = [f"({found.wiring.source(i).address} -> {found.wiring.target(i).address if found.wiring.target(i) else 'LD'})"
           for i in kept]  # type: ignore[union-attr]  # fmt: skip
    assert len(own) == 30
    nodes = [f"N{k}" for k in range(len(nodes_of(model.sites, "gpt2")))]
    text = HEAD + "".join(
        f"node {n} = {s.address} @ all\n" for n, s in zip(nodes, nodes_of(model.sites, "gpt2"), strict=True)
    )
    text += "let w = do(" + ", ".join(f"{n} = mean({n}, pooled)" for n in nodes) + ")\n"
    text += "circuit C = attribute(LD, from = mean(pooled), method = eap, keep = 30 edges, trust = none) on ioi\n"
    text += "let kept = E[LD | do(outside(C) = (outside(C) | w))]\n"
    text += "estimate (kept - E[LD | w]) / (E[LD] - E[LD | w]) on ioi"
    (share,) = run_program(check_text(text, folder=EXAMPLES)).estimates
    assert curve[1].faithful == pytest.approx(share.value, abs=1e-8)
    assert 0.05 < abs(share.value) < 3


@pytest.mark.parametrize("turned", [False, True])
def test_on_some_rows_means_stay_those_of_all(ioi: Case, turned: bool) -> None:
    model, data = ioi
    line = "from = mean(pooled), method = eap" if turned else "from = do(), to = mean(pooled), method = eap"
    asked = question(line)
    whole = scores(model, data, asked, "eap")
    some, rows = part(asked, data, [1, 4])
    np.testing.assert_allclose(scores(model, rows, some, "eap").table, whole.table[[1, 4]], rtol=0, atol=1e-12)
    assert np.abs(scores(model, data.take([1, 4]), asked, "eap").table - whole.table[[1, 4]]).max() > 1e-3
    subject = Subject(model, data, asked, Method("eap"), (), whole)
    exact = scores(model, data, asked, "exact")
    drawn = draw(subject.order, 5, 5, 1)
    found, _ = held_against_exact(subject, [1, 4], drawn)
    by_hand = np.corrcoef(whole.table[[1, 4]].mean(0)[drawn.held], exact.table[[1, 4]].mean(0)[drawn.held])[0, 1]
    assert found.pearson is not None
    assert np.sign(found.pearson) == np.sign(by_hand)


def test_a_part_is_the_rows_alone_where_no_mean_is_asked_for(ioi: Case) -> None:
    asked = question("from = corrupt, method = eap")
    some, rows = part(asked, ioi[1], [0, 2])
    assert some == asked
    assert rows.ref == ioi[1].ref


def test_what_it_says_and_reads_back() -> None:
    for said, turned in (("mean", False), ("mean(pooled)", True), ("mean(corrupt, pooled, on = ioi)", True)):
        line = f"from = {said}, to = do()" if turned else f"from = do(), to = {said}"
        made = formula(f"{line}, method = eap, over = [A, B]")
        names = {made.baseline.world: "corrupt"} if made.baseline and made.baseline.world != FACTUAL else {}
        assert f"{line}, method = eap" in text_of(made, names)
        (first, *_), means = made.over, made.start if turned else made.end
        value = means.value_of(first)
        assert isinstance(value, Mean)
        assert value.pooled == ("pooled" in said)
        assert (value.on is None) == ("on" not in said)
        assert isinstance(value.of, Counterfactual) == ("corrupt" in said)
        assert len(means.assignments) == 2
    every = formula("from = do(), to = mean, method = eap").end
    assert len(every.assignments) == 1 + 2 * (4 + 1)


def test_each_position_has_its_own_mean() -> None:
    made = formula("from = do(), to = mean, method = atp, over = [gpt2.layer[0].mlp.out @ each]")
    (a,) = made.end.assignments
    assert a.target == Site(Address("gpt2", site("layer[0].mlp.out").address.path), ALL)


def test_python_says_the_same() -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2", dtype="float64")
    ioi = cq.data(str(EXAMPLES / "data/ioi.jsonl"), name="ioi", prompt=row.clean, cluster=row.names, sample=6, seed=3)
    ld = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    corrupt = do({gpt2.input: row.corrupt})
    for start, end_, line in (
        (do(), cq.mean(pooled=True), "from = do(), to = mean(pooled), method = eap"),
        (cq.mean(corrupt, pooled=True), None, "from = mean(corrupt, pooled), method = eap"),
    ):
        made = cq.attribute(ld, start=start, end=end_, on=ioi, method="eap").declared.formula
        assert isinstance(made, Attributed)
        text = formula(line)
        assert replace(made, data=text.data) == text
    assert repr(cq.mean(corrupt, pooled=True)) == "mean(do(gpt2.input = row.corrupt), pooled)"
    assert E[ld | do({gpt2.embed @ all: cq.mean(gpt2.embed @ all)})] is not None


def test_the_circuit_says_mean(tmp_path: Path) -> None:
    text = HEAD + (
        "circuit C = attribute(LD, from = mean(pooled), method = eap, keep = 12 edges) on ioi seed 2\n"
        f'show C\nsave C to "{tmp_path / "c.json"}"'
    )
    made = run_program(check_text(text, folder=EXAMPLES)).circuits[0].circuits[0]
    assert made.origin is not None
    assert made.trust is not None
    assert (made.origin.start, made.origin.end, made.origin.direction) == ("mean(pooled)", "do()", "denoising")
    assert made.trust.curve
    assert circuit_of(json.loads(json.dumps(document(made)))).origin == made.origin


@pytest.mark.parametrize("method", ["eap", "atp"])
def test_rows_of_several_lengths_have_one_mean_a_position_no_more(method: str) -> None:
    text = HEAD + f"circuit C = attribute(LD, from = do(), to = mean, method = {method}) on ioi\nshow C"
    with pytest.raises(DiagnosticError) as caught:
        run_program(check_text(text, folder=EXAMPLES))
    (found,) = caught.value.diagnostics
    assert found.code == "CQ815"
    assert "positions" in found.message
    assert "to = mean(pooled)" in str(found.help)
