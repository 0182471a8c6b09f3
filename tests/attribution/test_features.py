"""Wires of what dictionaries find: slopes of worlds, and the wholes that features and error add up to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import GPT2LMHeadModel

import causalcircuit.rows as rows
from causalcircuit.attribution import Question, scores
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, FACTUAL, LAST, Address, Cell, Counterfactual, Expr, Part, Position, Site, World
from causalcircuit.query.address import Attached
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.rows import Dataset
from causalcircuit.runs import check_text
from tests.attribution.slopes import Ends, slopes
from tests.attribution.test_ends import Table, agree, table
from tests.dictionaries.conftest import drawn, fitted, passed
from tests.truth import tiny
from tests.truth.say import M, do, op, site

torch.set_num_threads(1)
PROGRAM = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
model stream = sae("./stream.safetensors", at = m.layer[0].resid, activation = relu, centred = false)
model mid = sae("./mid.safetensors", at = m.layer[1].resid_mid, activation = topk(6), centred = false)
model mlp = sae("./mlp.safetensors", at = m.layer[0].mlp.out, activation = relu, centred = false)
model trans = transcoder("./trans.safetensors", from = m.layer[1].mlp.in, to = m.layer[1].mlp.out, activation = relu)
model head = sae("./head.safetensors", at = m.layer[0].head[1].out, activation = relu, centred = false)
model attn = sae("./attn.safetensors", at = m.layer[1].attn.out, activation = relu, centred = false)
model words = sae("./words.safetensors", at = m.embed, activation = relu, centred = false)
model wrong = sae("./stream.safetensors", at = m.layer[1].mlp.out, activation = relu, centred = false)
node Y = m.logit[" Mary"] @ last
let e = do(m.embed @ all = (m.embed @ all) * 1.3 + 0.02)
estimate E[Y | e] - E[Y] on d
"""
COUNT = 20
READ = {
    "stream": "layer[0].resid", "mid": "layer[1].resid_mid", "mlp": "layer[0].mlp.in", "trans": "layer[1].mlp.in",
    "head": "layer[0].attn.in", "attn": "layer[1].attn.in",
}  # fmt: skip
"""The read of the stream behind which what each finds stands."""
Case = tuple[LoadedModel, Dataset, Expr, World]


def found_in(name: str, k: int | None = None, position: Position = ALL) -> Site:
    """A feature, or the error."""
    return Site(Address(M, (Attached(name), Part("error") if k is None else Part("feature", k))), position)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("features")
    tiny.write_gpt2(folder / "gpt2")
    tiny.write_lines(folder / "prompts.jsonl", tiny.PROMPTS)
    hf = GPT2LMHeadModel.from_pretrained(folder / "gpt2", dtype=torch.float64).eval()
    ids = [torch.tensor([tiny.tokenizer()(p["clean"])["input_ids"]]) for p in tiny.PROMPTS]
    first, second = hf.transformer.h

    def write(name: str, x: Tensor, y: Tensor, seed: int, k: int = COUNT) -> None:
        made = drawn(COUNT, seed, x.shape[1])

        def encode(value: Tensor) -> Tensor:
            pre = value @ made["W_enc"] + made["b_enc"]
            top = pre.topk(k, dim=-1)
            return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())

        save_file({n: t.contiguous() for n, t in fitted(made, encode, x, y).items()}, folder / f"{name}.safetensors")

    def seen(
        name: str, module: torch.nn.Module, side: str, seed: int, own: slice = slice(None), k: int = COUNT
    ) -> None:
        value = passed(hf, ids, module, side)[:, own]
        write(name, value, value, seed, k)

    seen("stream", second, "in", 1)
    seen("mid", second.ln_2, "in", 2, k=6)
    seen("mlp", first.mlp, "out", 3)
    write("trans", passed(hf, ids, second.mlp, "in"), passed(hf, ids, second.mlp, "out"), 4)
    seen("head", first.attn.c_proj, "in", 5, slice(8, 16))
    seen("attn", second.attn.c_proj, "out", 6)
    seen("words", first, "in", 7)
    program = check_text(PROGRAM, folder=folder)
    named = {v: k for k, v in program.names.items()}
    data = rows.load(program.data["d"]).take([0, 3])
    return load_model(program.models["m"]), data, named["Y"], named["e"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "writes", "reads"),
    [
        ("mlp", "layer[0].mlp.out", ["layer[0].mlp.in"]),
        ("trans", "layer[1].mlp.out", ["layer[1].mlp.in"]),
        ("head", "layer[0].head[1].out", [f"layer[0].head[1].{x}" for x in "qkv"]),
    ],
)
@pytest.mark.parametrize(("method", "numbers"), [("eap", ()), ("relp", ()), ("eap_ig_activations", (2,))])
def test_features_and_error_add_up_to_what_they_describe(
    case: Case, name: str, writes: str, reads: list[str], method: str, numbers: tuple[float, ...]
) -> None:
    model, data, readout, end = case
    question = Question(M, readout, FACTUAL, end)
    parts = [found_in(name), *(found_in(name, k) for k in range(COUNT))]
    fine = table(scores(model, data, question, method, numbers, over=[*nodes_of(model.sites, M), *parts]))
    known = table(scores(model, data, question, method, numbers))
    out: Table = {}
    into: Table = {}
    for (a, b), value in fine.items():
        mine = a in parts, b in parts
        if mine == (True, False):
            out[site(writes), b] = out.get((site(writes), b), 0) + value
        if mine == (False, True):
            into[a, None] = into.get((a, None), 0) + value
    agree(out, known, 1e-11)
    agree(into, {(a, None): sum(known[a, site(r)] for r in reads) for a, _ in into}, 1e-11)
    assert out
    assert into


@pytest.mark.parametrize(
    ("name", "at"), [("stream", "layer[0].resid"), ("mid", "layer[1].resid_mid"), ("attn", "layer[1].attn.out")]
)
def test_wires_out_of_features_and_error_add_up_to_what_their_site_does(case: Case, name: str, at: str) -> None:
    """To 1/m² of the steps in which the site is moved."""
    model, data, readout, end = case
    parts = [found_in(name), *(found_in(name, k) for k in range(COUNT))]
    over = [*nodes_of(model.sites, M), *parts]
    whole = Cell(readout, do((site(at), Counterfactual(site(at), end))))
    before = Cell(readout, FACTUAL)
    known = execute(prepare(make_plan([whole, before], data, {M: model.sites}), {M: model}, data)).cells
    gaps = []
    for steps in (2, 8):
        method = "eap_ig_activations"
        found = table(scores(model, data, Question(M, readout, FACTUAL, end), method, (steps,), over=over))
        own = sum(v for (a, b), v in found.items() if a in parts and b not in parts)
        gaps.append(np.abs(own - (known[whole] - known[before])).max())
    assert gaps[1] < max(gaps[0] / 10, 1e-9)
    assert gaps[1] < 1e-3 * np.abs(known[whole] - known[before]).max()


def test_all_features_as_one_node(case: Case) -> None:
    model, data, readout, end = case
    together = Site(Address(M, (Attached("mlp"), Part("features"))), ALL)
    over = [*nodes_of(model.sites, M), together, *(found_in("mlp", k) for k in range(COUNT))]
    fine = table(scores(model, data, Question(M, readout, FACTUAL, end), "eap", over=over))
    single = [s for s in over if s.address.attached and s != together]
    pairs = [(a, b) for a, b in fine if a == together and b not in single and b != together]
    assert pairs
    for a, b in pairs:
        np.testing.assert_allclose(fine[a, b], sum(fine[s, b] for s in single), rtol=0, atol=1e-12)


def test_scores_are_slopes(case: Case) -> None:
    model, data, readout, end = case
    each = [found_in(n, k) for n in (*READ, "words") for k in (None, 0, 3, 5)]
    over = [*nodes_of(model.sites, M), *each, found_in("mlp", 5, LAST), found_in("trans", 0, LAST)]
    found = scores(model, data, Question(M, readout, FACTUAL, end), "eap", over=over)
    kinds: dict[tuple[str, ...], int] = {}
    for i in np.random.default_rng(2).permutation(len(found.wiring)):
        ends = found.wiring.source(int(i)), found.wiring.target(int(i))
        if np.abs(found.table[:, i]).max() > 1e-7:
            kinds.setdefault(tuple("" if s is None else s.address.attached for s in ends), int(i))
    assert len(kinds) > 25
    wires: list[Ends] = []
    for i in kinds.values():
        a, b = found.wiring.source(i), found.wiring.target(i)
        inside = site(READ[b.address.attached], b.position) if b is not None and b.address.attached else None
        if inside is not None and "attn" in str(inside.address):
            inside = Site(inside.address, ALL)
        wires.append((a, readout if b is None else b, inside))
    for i, near in zip(kinds.values(), slopes(model, data, readout, wires, end, 1e-5), strict=True):
        np.testing.assert_allclose(found.table[:, i], near, rtol=0, atol=1e-6 * max(np.abs(found.table).max(), 1))


def test_exact_patching_of_features_is_what_the_slopes_come_from(case: Case) -> None:
    model, data, readout, _ = case
    e = site("embed")
    near = do((e, op(op(e, "*", 1.0001), "+", 0.000002)))
    over = [
        site("layer[0].head[0].out"),
        found_in("mlp", 3),
        found_in("mlp"),
        found_in("trans", 0),
        found_in("stream", 1),
    ]
    both = [
        table(scores(model, data, Question(M, readout, FACTUAL, near), m, over=over)) for m in ("eap", "exact")
    ]  # fmt: skip
    assert len(both[0]) == len(both[1]) > 10
    for ends, value in both[0].items():
        np.testing.assert_allclose(value, both[1][ends], rtol=0.02, atol=1e-10)


def test_a_world_that_assigns_features_moves_what_they_describe(case: Case) -> None:
    """Of the MLP's own wire too: its write is what it is after that."""
    model, data, readout, _ = case
    end = do((found_in("mlp", 3), 0.7), (found_in("mlp", 5), 0.2))
    wholes = table(scores(model, data, Question(M, readout, FACTUAL, end), "eap"))
    over = [*nodes_of(model.sites, M), *(found_in("mlp", k) for k in (3, 5, 6))]
    fine = table(scores(model, data, Question(M, readout, FACTUAL, end), "eap", over=over))
    a = site("layer[0].mlp.out")
    (slope,) = slopes(model, data, readout, [(a, readout, None)], end, 2e-3)
    np.testing.assert_allclose(wholes[a, None], slope, rtol=0, atol=1e-9)
    assert slope.any()
    np.testing.assert_allclose(fine[found_in("mlp", 3), None] + fine[found_in("mlp", 5), None], slope, atol=1e-9)
    assert not fine[found_in("mlp", 6), None].any()


def test_a_dictionary_of_something_else_is_refused(case: Case) -> None:
    model, data, readout, end = case
    with pytest.raises(DiagnosticError) as found:
        scores(model, data, Question(M, readout, FACTUAL, end), "eap", over=[found_in("wrong", 0)])
    assert found.value.diagnostics[0].code == "CQ555"
