"""Circuits of nodes: dead nodes, exact patching, positions, rows that count more, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import causalcircuit as cq
from causalcircuit import all as everywhere
from causalcircuit import do as world
from causalcircuit import last
from causalcircuit import row as column
from causalcircuit.attribution import Question, node_scores
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import FACTUAL, LAST, DataRef, ModelRef, Position
from causalcircuit.query.circuit import Circuit, CircuitNode
from causalcircuit.query.circuits import read as read_circuit
from causalcircuit.rows import Dataset, load
from causalcircuit.runs import run_program
from tests.attribution.test_methods import EXAMPLES, IOI, Asked, asked_of
from tests.truth import tiny
from tests.truth.handmade import DEAF, MUTE, READ_AT_LAST, ROWS, write_handmade
from tests.truth.say import M, do, feed, op, read, row, site

torch.set_num_threads(1)
NODES = ("atp", "atp_star", "exact_nodes")
HEAD = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data few = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 12 seed 1
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
"""


@pytest.fixture(scope="module")
def ioi() -> Asked:
    return asked_of(IOI + "circuit C = attribute(LD, from = corrupt, method = eap) on ioi")


@pytest.fixture(scope="module")
def handmade(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Dataset]:
    root = tmp_path_factory.mktemp("handmade")
    write_handmade(root / "m")
    data = load(DataRef("d", "jsonl", tiny.write_lines(root / "d.jsonl", ROWS), (("prompt", row("clean")),)))
    return load_model(ModelRef(M, "./m", root / "m", dtype="float64")), data


def nodes_in(text: str, name: str = "C") -> Circuit:
    found = run_program(check_text(HEAD + text, folder=EXAMPLES), keep="off")
    return next(s.circuits[0] for s in found.circuits if s.circuits[0].name == name)


@pytest.mark.parametrize("method", NODES)
def test_dead_nodes_score_exactly_zero_and_live_ones_come_first(
    method: str, handmade: tuple[LoadedModel, Dataset]
) -> None:
    dead = [site(a) for a in MUTE] + [site(a) for a in DEAF]
    dead += [site(a, Position("index", index=0)) for a in READ_AT_LAST]
    live = [site(a, LAST) for a in READ_AT_LAST]
    readout = op(read("logit", "A", position=LAST), "-", read("logit", "B", position=LAST))
    question = Question(M, readout, FACTUAL, do((feed("input"), row("corrupt"))))
    found = node_scores(*handmade, question, method, over=[*dead, *live]).table
    assert (found[:, : len(dead)] == 0).all()
    assert (found[:, len(dead) :] != 0).any(0).all()


def test_exact_scores_are_what_the_language_says_of_nodes(ioi: Asked) -> None:
    parts = ("embed @ all", "layer[0].head[2].out @ all", "layer[1].head[3].q @ last", "layer[0].mlp.out @ last",
             "layer[0].resid @ last")  # fmt: skip
    asked = "".join(
        f"node A{i} = gpt2.{p}\nlet E{i} = E[LD | corrupt, do(A{i} = (A{i} | do()))] - E[LD | corrupt]\n"
        for i, p in enumerate(parts)
    )
    names = ", ".join(f"E{i}" for i in range(len(parts)))
    program = check_text(IOI + asked + f"estimate {names} on ioi", folder=EXAMPLES)
    said = [e.value for e in run_program(program, keep="off").estimates]
    nodes = [node for node, name in program.names.items() for i in range(len(parts)) if name == f"A{i}"]
    found = node_scores(ioi.model, ioi.data, ioi.question, "exact_nodes", over=nodes)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.table.mean(0), said, rtol=0, atol=1e-12)
    assert np.abs(found.table.mean(0)).min() > 1e-2


def test_positions_one_by_one_add_up() -> None:
    text = "circuit C = attribute(LD, over = [gpt2.layer[0].head[2].out @ {}], from = corrupt, method = atp) on one\n"
    one = 'data one = jsonl("{}/data/ioi.jsonl") with prompt = row.clean where row.template = "{}"\n'
    template = next(iter(load(DataRef("d", "jsonl", EXAMPLES / "data" / "ioi.jsonl", ())).column("template")))
    head = one.format(EXAMPLES, template)
    single = nodes_in(head + text.format("each") + "show C").nodes
    whole = nodes_in(head + text.format("all") + "show C").nodes
    assert len(single) > 1
    assert all(n.site.position.kind == "index" for n in single)
    assert sum(value(n) for n in single) == pytest.approx(value(whole[0]), rel=1e-4)


def value(node: CircuitNode) -> float:
    assert node.score is not None
    return node.score.value


def test_rows_of_different_lengths_have_no_each() -> None:
    with pytest.raises(DiagnosticError) as found:
        nodes_in("circuit C = attribute(LD, over = [gpt2.embed @ each], from = corrupt, method = atp) on few\nshow C")
    assert found.value.diagnostics[0].code == "CQ244"


def test_a_circuit_of_nodes_end_to_end(tmp_path: Path) -> None:
    over = "over = [gpt2.layer[*].head[*].out @ all, gpt2.layer[0].mlp.neuron[*] @ last, gpt2.embed @ token(row.io)]"
    asked = f"attribute(LD, {over}, from = corrupt, method = atp, keep = 5 nodes) on few seed 7"
    text = f'circuit C = {asked}\nshow C\nsave C to "./c.json"\nsave C to "./c.graphml"\nsave C to "./c.dot"\n'
    program = check_text(HEAD + text, folder=tmp_path)
    found = run_program(program, keep="off")
    made = found.circuits[0].circuits[0]
    assert (len(made.nodes), made.edges) == (5, ())
    assert [abs(value(n)) for n in made.nodes] == sorted((abs(value(n)) for n in made.nodes), reverse=True)
    assert all(n.score and n.score.interval and n.score.selected is not None for n in made.nodes)
    assert made.origin is not None
    assert (made.origin.method, made.origin.considered, made.origin.rows) == ("atp", 265, 12)
    assert made.trust is not None
    assert made.trust.jaccard is not None
    assert read_circuit(tmp_path / "c.json") == read_circuit(tmp_path / "c.graphml") == made
    assert "0.2" in (tmp_path / "c.dot").read_text() or "head[2]" in (tmp_path / "c.dot").read_text()
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    few = cq.data(EXAMPLES / "data/ioi.jsonl", name="few", prompt=column.clean, cluster=column.names, sample=12, seed=1)
    again = cq.attribute(
        gpt2.logit[column.io] @ last - gpt2.logit[column.subj] @ last,
        start=world({gpt2.input: column.corrupt}),
        on=few,
        method="atp",
        over=[gpt2.layer["*"].head["*"].out @ everywhere],
        keep="3 nodes",
    )
    assert len(again.circuit.nodes) == 3
    heads = [n for n in made.nodes if n.site.address.path[-1].name == "out"]
    scores = {n.site: value(n) for n in again.circuit.nodes}
    assert scores[heads[0].site] == pytest.approx(value(heads[0]), rel=1e-4)


def test_a_row_that_counts_twice_is_two_rows(ioi: Asked) -> None:
    double = ioi.data.take([0, 0, 1, 2])
    once = ioi.data.take([0, 1, 2])
    tables = [node_scores(ioi.model, d, ioi.question, "atp").table for d in (double, once)]
    np.testing.assert_allclose(tables[0].mean(0), np.average(tables[1], axis=0, weights=[2, 1, 1]), rtol=1e-9)


def test_chunks_of_rows_change_nothing(ioi: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from causalcircuit.attribution import nodes

    nodes_of = [site("layer[1].head[3].q", LAST), site("layer[0].head[2].k"), site("layer[0].mlp.out")]
    over = [type(n)(type(n.address)("gpt2", n.address.path), n.position) for n in nodes_of]
    for method in ("atp", "atp_star"):
        whole = node_scores(ioi.model, ioi.data, ioi.question, method, over=over).table
        with monkeypatch.context() as patch:
            patch.setattr(nodes, "chunks_of", lambda rows, places: (range(i, i + 1) for i in range(rows.data.n)))
            single = node_scores(ioi.model, ioi.data, ioi.question, method, over=over).table
        # Rows have different lengths: alone none is padded.
        np.testing.assert_allclose(single, whole, rtol=0, atol=1e-9)


def test_what_a_dictionary_finds(tmp_path: Path) -> None:
    tiny.write_gpt2(tmp_path / "gpt2")
    tiny.write_lines(tmp_path / "prompts.jsonl", tiny.PROMPTS)
    unit = torch.eye(24, dtype=torch.float64)
    tilt = 0.1 * torch.randn(24, 24, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = {"W_enc": torch.cat((unit, -unit), 1), "W_dec": torch.cat((0.8 * unit + tilt, tilt - 0.8 * unit))}
    weights |= {"b_enc": torch.zeros(48, dtype=torch.float64), "b_dec": torch.zeros(24, dtype=torch.float64)}
    save_file(weights, tmp_path / "s.safetensors")
    head = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
model s = sae("./s.safetensors", at = m.layer[0].resid, activation = relu, centred = false)
node Y = m.logit[row.answer] @ last
node X = m.embed @ all
let to = do(X = 1.2 * X + 0.1)
"""
    over = "over = [s.feature[*] @ all, s.error @ all, m.layer[0].resid @ all]"
    text = head + f"circuit C = attribute(Y, {over}, from = do(), to = to, method = atp) on d\nshow C\n"
    circuit = run_program(check_text(text, folder=tmp_path), keep="off").circuits[0].circuits[0]
    found = [n for n in circuit.nodes if n.site.address.path[-1].name in ("feature", "error")]
    assert len(found) > 4
    for n in found[:4]:
        asked = "".join(f"let e{i} = E[Y | do(F = F {sign} 0.0001 * ((F | to) - F))]\n" for i, sign in enumerate("+-"))
        program = check_text(f"{head}node F = {n.site.address} @ all\n{asked}estimate e0, e1 on d", folder=tmp_path)
        up, down = (e.value for e in run_program(program, keep="off").estimates)
        assert up is not None
        assert down is not None
        assert (up - down) / 2e-4 == pytest.approx(value(n), abs=1e-6 * max(1, abs(value(found[0]))))
    whole = next(value(n) for n in circuit.nodes if n.site.address.path[-1].name == "resid")
    assert sum(map(value, found)) == pytest.approx(whole, rel=1e-9)  # features and error make up the stream


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Dataset]:
    root = tmp_path_factory.mktemp("refused")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    data = load(DataRef("d", "jsonl", root / "prompts.jsonl", (("prompt", row("clean")),))).take([0, 3])
    return load_model(ModelRef(M, "./gpt2", root / "gpt2", dtype="float64")), data


def refused(pair: tuple[LoadedModel, Dataset], *nodes: object, scale: float = 2.0, start: object = FACTUAL) -> str:
    embed = site("embed")
    question = Question(M, read("logit", " Mary", position=LAST), start, do((embed, op(embed, "*", scale))))  # type: ignore[arg-type]
    with pytest.raises(DiagnosticError) as found:
        node_scores(*pair, question, "atp", over=nodes)  # type: ignore[arg-type]
    (only,) = found.value.diagnostics
    return f"{only.code} {only.message}"


def test_scores_that_are_all_zero_say_why(pair: tuple[LoadedModel, Dataset]) -> None:
    assert "none of them differs" in refused(pair, scale=1.0)
    last_layer = site("layer[1].head[0].out", Position("index", index=0))
    assert "the gradient of the readout is zero there" in refused(pair, last_layer)
    assert refused(pair, last_layer).startswith("CQ785")
    assert "the gradient of the readout is zero there" in refused(pair, start=do((site("final_norm"), 0.5)))


OVERFLOWN = (site("embed"), site("layer[0].head[0].out"), site("layer[1].head[0].out"))


@pytest.mark.parametrize("layer", [0, 1])
def test_values_that_overflow_name_the_layer(layer: int, pair: tuple[LoadedModel, Dataset]) -> None:
    block = pair[0].stacks[0].blocks[layer].module
    weight = next(m for m in block.modules() if isinstance(m, nn.LayerNorm)).weight
    kept = weight.data.clone()
    try:
        weight.data.fill_(1e300)
        said = refused(pair, *OVERFLOWN)
    finally:
        weight.data.copy_(kept)
    assert said.startswith("CQ787")
    assert f"`m.layer[{layer}].head[0].out` is not finite in `from`" in said


@pytest.mark.parametrize("layer", [0, 1])
def test_gradients_that_overflow_name_the_layer(layer: int, pair: tuple[LoadedModel, Dataset]) -> None:
    def root(_module: object, _args: object, out: torch.Tensor) -> torch.Tensor:
        return out + (0 * out).abs().sqrt()  # the same number, with a slope that is none

    hook = pair[0].stacks[0].blocks[layer].module.register_forward_hook(root)
    try:
        said = refused(pair, *OVERFLOWN)
    finally:
        hook.remove()
    assert said.startswith("CQ787")
    assert said.endswith(f"the gradient overflows on its way back to layer {layer}")


def test_nodes_of_a_circuit_are_assigned_together() -> None:
    text = """
node A = gpt2.layer[1].head[3].out @ all
node B = gpt2.layer[0].head[2].out @ all
node M = gpt2.layer[*].mlp.out @ all
circuit C = attribute(LD, over = [A, B, M], from = corrupt, method = exact_nodes, keep = 2 nodes) on few
estimate E[LD | do(C = (C | corrupt))], E[LD | do(outside(C) = (outside(C) | corrupt))] on few
show C
"""
    found = run_program(check_text(HEAD + text, folder=EXAMPLES), keep="off")
    kept = [str(n.site.address) for n in found.circuits[0].circuits[0].nodes]
    others = {
        f"gpt2.layer[{i}].{p}" for i, p in ((1, "head[3].out"), (0, "head[2].out"), (0, "mlp.out"), (1, "mlp.out"))
    }
    assert len(kept) == 2
    assert set(kept) < others
    by_hand = "".join(
        f"let w{i} = do({', '.join(f'N{i}_{j} = (N{i}_{j} | corrupt)' for j in range(2))})\n" for i in range(2)
    )
    nodes = "".join(
        f"node N{i}_{j} = {name} @ all\n"
        for i, names in enumerate((kept, sorted(others - set(kept)))) for j, name in enumerate(names)
    )  # fmt: skip
    again = run_program(
        check_text(HEAD + nodes + by_hand + "estimate E[LD | w0], E[LD | w1] on few", folder=EXAMPLES), keep="off"
    )
    assert [e.value for e in found.estimates] == pytest.approx([e.value for e in again.estimates], rel=1e-6)
    twice = text.replace("do(C = (C | corrupt))", "do(C = (C | corrupt), N = 0)").replace(
        "estimate", f"node N = {kept[0]} @ all\nestimate"
    )
    with pytest.raises(DiagnosticError) as problem:
        run_program(check_text(HEAD + twice, folder=EXAMPLES), keep="off")
    assert problem.value.diagnostics[0].code == "CQ301"
    mixed = text + "circuit W = attribute(LD, from = corrupt, method = eap, keep = 3 edges) on few\n"
    mixed += "circuit U = union(C, W)\nestimate E[LD | do(U = (U | corrupt))] on few\n"
    with pytest.raises(DiagnosticError) as problem:
        run_program(check_text(HEAD + mixed, folder=EXAMPLES), keep="off")
    assert problem.value.diagnostics[0].code == "CQ264"
