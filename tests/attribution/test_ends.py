"""Wires of single positions, patches, neurons and experts: slopes of worlds, and the wholes that they add up to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from causalcircuit.attribution import METHODS, Question, scores
from causalcircuit.attribution.attribute import Scores
from causalcircuit.attribution.bench import Bench, Chunk
from causalcircuit.attribution.fine import Fine
from causalcircuit.attribution.passes import Rows
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, FACTUAL, LAST, DataRef, Expr, ModelRef, Position, Site, World
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.rows import Dataset, load
from tests.attribution.slopes import Ends, slopes
from tests.attribution.test_wires import model_and_rows, moved
from tests.truth import tiny
from tests.truth.handmade import MUTE, ROWS, write_handmade
from tests.truth.say import M, do, op, read, row, site
from tests.wires.conftest import doubled

torch.set_num_threads(1)
BOUND = 1e-6
READOUT = read("logit", " Mary", position=LAST)
Pair = tuple[LoadedModel, Dataset]
Table = dict[tuple[Site, Site | None], Any]
"""By both ends of a wire its scores on the rows."""


def at(k: int) -> Position:
    return Position("index", index=k)


def patch(k: int) -> Position:
    return Position("image", index=k)


def others(*positions: Position) -> Position:
    return Position("except", parts=(ALL, *positions))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A tiny GPT-2 on two prompts of different lengths."""
    root = tmp_path_factory.mktemp("ends")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    data = load(DataRef("d", "jsonl", root / "prompts.jsonl", (("prompt", row("clean")),))).take([0, 3])
    return load_model(ModelRef(M, "./gpt2", root / "gpt2", dtype="float64")), data


@pytest.fixture(scope="module")
def end() -> World:
    e = site("embed", ALL)
    return do((e, op(op(e, "*", 1.3), "+", 0.02)))


def table(found: Scores) -> Table:
    """By both ends the scores of the rows."""
    w = found.wiring
    return {(w.source(i), w.target(i)): found.table[:, i] for i in range(len(w))}


def asked(pair: Pair, end: World, over: Sequence[Site], method: str = "eap", *numbers: float) -> Table:
    return table(scores(*pair, Question(M, READOUT, FACTUAL, end), method, numbers, over=over))


def whole(end: Site | None, rename: Callable[[Site], Site]) -> Site | None:
    return None if end is None else Site(rename(end).address, ALL)


def summed(found: Table, rename: Callable[[Site], Site] = lambda s: s) -> Table:
    """Wires with the same whole ends, added up."""
    out: Table = {}
    for (a, b), value in found.items():
        key = Site(rename(a).address, ALL), whole(b, rename)
        out[key] = out.get(key, 0) + value
    return out


def agree(parts: Table, wholes: Table, near: float = 1e-12) -> None:
    assert parts
    for key, value in parts.items():
        np.testing.assert_allclose(value, wholes[key], rtol=0, atol=near, err_msg=str([str(k) for k in key]))


@pytest.mark.parametrize(("method", "numbers"), [("eap", ()), ("eap_ig", (2,)), ("relp", ())])
def test_positions_add_up_to_the_whole(pair: Pair, end: World, method: str, numbers: tuple[float, ...]) -> None:
    model = pair[0]
    cuts = [at(0), at(4), Position("list", parts=(at(1), at(2)))]
    split = [*cuts, others(*cuts)]
    nodes = [s for s in nodes_of(model.sites, M) if "layer[1].head[2]" not in str(s.address)]
    fine = asked(pair, end, [Site(s.address, p) for s in nodes for p in split], method, *numbers)
    wholes = asked(pair, end, (), method, *numbers)
    agree(summed(fine), wholes)
    assert len(summed(fine)) > 50


def test_what_is_written_at_the_tokens_of_an_answer_is_no_part_of_a_node(pair: Pair, end: World) -> None:
    readout = read("logprob", " Mary and John", position=LAST)
    question = Question(M, readout, FACTUAL, end)
    wholes = table(scores(*pair, question, "eap"))
    also = [*nodes_of(pair[0].sites, M), site("layer[0].mlp.neuron[3]")]
    fine = table(scores(*pair, question, "eap", over=also))
    agree({k: fine[k] for k in wholes}, wholes)
    a, b = site("layer[0].mlp.out"), site("layer[1].head[0].q")
    (near,) = slopes(*pair, readout, [(a, b, None)], end, 2e-3)
    np.testing.assert_allclose(wholes[a, b], near, rtol=0, atol=1e-10)


def test_a_wire_between_places_that_never_meet_is_none(pair: Pair, end: World) -> None:
    nodes = [Site(site("embed").address, at(1)), site("layer[0].head[0].out", LAST), site("layer[0].mlp.out", at(2))]
    found = asked(pair, end, nodes)
    # Keys and values are read where it stands; queries and the MLP elsewhere, and so is the readout.
    assert {str(b.address)[-1] for (a, b) in found if a == nodes[0] and b is not None} == {"k", "v"}
    assert {b.position for (a, b) in found if a == nodes[0] and b is not None} == {at(1)}
    assert [a for (a, b) in found if b is None] == [nodes[1]]


def test_what_changes_at_one_position_only(pair: Pair) -> None:
    """Also for GradCAM++, whose wires of parts are not parts of wires."""
    e = Site(site("embed").address, at(2))
    end = do((e, op(op(e, "*", 1.5), "+", 0.1)))
    nodes = [s for s in nodes_of(pair[0].sites, M) if s.address.path[-1].name != "embed"]
    fine = asked(pair, end, [e, Site(e.address, others(at(2))), *nodes], "gradcam_pp")
    wholes = asked(pair, end, (), "gradcam_pp")
    for (a, b), value in fine.items():
        if a.address == e.address and a != e:
            assert not value.any()
        else:
            np.testing.assert_allclose(value, wholes[Site(a.address, ALL), whole(b, lambda s: s)], atol=1e-14)


def mlp_of(end: Site) -> Site:
    """Of a neuron or an expert, what is written; as a read too."""
    names = [p.name for p in end.address.path]
    if names[-1] == "neuron" or "expert" in names:
        layer = next(p.index for p in end.address.path if p.name == "layer")
        return site(f"layer[{layer}].mlp.out")
    return site(str(end.address.local).replace("mlp.in", "mlp.out"))


def neurons(model: LoadedModel) -> list[Site]:
    (tower,) = model.sites.towers
    return [site(f"layer[{i}].mlp.neuron[{k}]") for i in range(tower.layers) for k in range(tower.mlp)]


@pytest.mark.parametrize("method", ["eap", "relp"])
def test_neurons_add_up_to_their_mlp(pair: Pair, end: World, method: str) -> None:
    heads = [s for s in nodes_of(pair[0].sites, M) if "mlp" not in str(s.address)]
    fine = summed(asked(pair, end, [*heads, *neurons(pair[0])], method), mlp_of)
    wholes = {(a, b and mlp_of(b)): v for (a, b), v in asked(pair, end, (), method).items()}
    agree(fine, wholes)
    assert len(fine) == len(wholes)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("method", ["eap", "gradcam_pp"])
def test_neurons_in_closed_form_are_those_of_autograd(
    name: str, method: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with doubled():
        model, data, word = model_and_rows(name, tmp_path_factory)
        tower = model.sites.towers[0]
        over = [*nodes_of(model.sites, M), *(site(f"layer[1].mlp.neuron[{k}]") for k in range(0, tower.mlp, 5))]
        question = Question(M, read("logit", word, position=LAST), FACTUAL, moved(model))
        bench = Bench(Rows(model, data, question), over=over)
        finer = bench.streams.finer
        assert isinstance(finer, Fine)
        assert len(finer.neurons) == 1
        quick = METHODS[method](Chunk(bench, range(data.n)))
        finer.neurons.clear()
        slow = METHODS[method](Chunk(bench, range(data.n)))
        assert float((quick - slow).abs().max()) < 1e-13


def held(pair: Pair, readout: Expr, end: World, over: Sequence[Site], inside: Callable[[Site], Site | None]) -> int:
    """Hold one wire of each kind of ends, and the strongest, against slopes; how many there were."""
    model, data = pair
    found = scores(model, data, Question(M, readout, FACTUAL, end), "eap", over=over)
    size = max(float(np.abs(found.table).max()), 1e-4)
    kinds: dict[object, int] = {}
    for i in np.random.default_rng(7).permutation(len(found.wiring)):
        a, b = found.wiring.source(int(i)), found.wiring.target(int(i))
        if np.abs(found.table[:, i]).max() > 1e-6 * size:
            kinds.setdefault(tuple(s and tuple(p.name for p in s.address.path) for s in (a, b)), int(i))
    chosen = list(dict.fromkeys([*kinds.values(), int(np.abs(found.table).max(0).argmax())]))
    wires: list[Ends] = []
    for i in chosen:
        a, b = found.wiring.source(i), found.wiring.target(i)
        wires.append((a, readout if b is None else b, None if b is None else inside(b)))
    wide, narrow = (slopes(model, data, readout, wires, end, h) for h in (2e-3, 1e-5))
    for i, (source, target, _), one, other in zip(chosen, wires, wide, narrow, strict=True):
        near = min(float(np.abs(found.table[:, i] - x).max()) for x in (one, other))
        assert near <= BOUND * max(size, 1), (str(source), str(target), found.table[:, i], one)
    return len(chosen)


def by_itself(end: Site) -> Site | None:
    """The MLP's input, for a neuron or an expert."""
    names = [p.name for p in end.address.path]
    if names[-1] != "neuron" and "expert" not in names:
        return None
    lead = ".".join(str(p) for p in end.address.path if p.name in ("layer", "decoder", "vision", "encoder"))
    return site(f"{lead}.mlp.in", end.position)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", pytest.param("bert", marks=pytest.mark.slow)])
def test_scores_are_slopes(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neurons, plain, gated, and behind a norm of their own; at positions."""
    with doubled():
        model, data, word = model_and_rows(name, tmp_path_factory)
        nodes = nodes_of(model.sites, M)
        over = [*nodes, *(Site(s.address, p) for s in nodes for p in (LAST, at(1)))]
        last = model.sites.towers[0].layers - 1
        for layer, k in ((0, 3), (0, 7), (last, 2)):
            neuron = site(f"layer[{layer}].mlp.neuron[{k}]")
            over += [neuron, Site(neuron.address, at(2)), Site(neuron.address, LAST)]
        assert held((model, data), read("logit", word, position=LAST), moved(model), over, by_itself) > 15


def test_experts_are_slopes_and_add_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    with doubled():
        model, data, word = model_and_rows("mixtral", tmp_path_factory)
        (tower,) = model.sites.towers
        readout, end = read("logit", word, position=LAST), moved(model)
        experts = [site(f"layer[{i}].expert[{e}].out") for i in range(tower.layers) for e in range(tower.experts)]
        heads = [s for s in nodes_of(model.sites, M) if "mlp" not in str(s.address)]
        question = Question(M, readout, FACTUAL, end)
        fine = summed(table(scores(model, data, question, "eap", over=[*heads, *experts])), mlp_of)
        wholes = {(a, b and mlp_of(b)): v for (a, b), v in table(scores(model, data, question, "eap")).items()}
        agree(fine, wholes)
        assert held((model, data), readout, end, [*heads[:4], *heads[-4:], *experts], by_itself) > 5


def test_from_patches_through_the_projector_to_heads(tmp_path_factory: pytest.TempPathFactory) -> None:
    with doubled():
        with warnings.catch_warnings(action="ignore"):
            model, data, word = model_and_rows("llava", tmp_path_factory)
        readout, end = read("logit", word, position=LAST), moved(model)
        question = Question(M, readout, FACTUAL, end)
        nodes = [s for s in nodes_of(model.sites, M) if str(s.address) != "m.embed"]
        early = [site("vision.embed"), site("vision.layer[0].head[0].out"), site("vision.layer[0].mlp.out")]
        split = [patch(0), patch(2), others(patch(0), patch(2))]
        parts = [Site(s.address, p) for s in (*early, site("projector.out")) for p in split]
        rest = [s for s in nodes if s not in early and str(s.address) != "m.projector.out"]
        found = scores(model, data, question, "eap", over=[*parts, *rest])
        agree(summed(table(found)), table(scores(model, data, question, "eap")))
        assert held((model, data), readout, end, [*parts, *rest], by_itself) > 10


def test_from_patches_through_the_encoder_to_cross_attention(tmp_path_factory: pytest.TempPathFactory) -> None:
    with doubled():
        with warnings.catch_warnings(action="ignore"):
            model, data, word = model_and_rows("vision_encoder_decoder", tmp_path_factory)
        readout, end = read("logit", word, position=LAST), moved(model)
        early = [site("encoder.embed"), site("encoder.layer[0].head[0].out")]
        parts = [Site(s.address, p) for s in early for p in (patch(0), patch(3), others(patch(0), patch(3)))]
        rest = [s for s in nodes_of(model.sites, M) if s not in early and "encoder.layer[0].h" not in str(s.address)]
        question = Question(M, readout, FACTUAL, end)
        found = table(scores(model, data, question, "eap", over=[*parts, *rest]))
        agree(summed(found), table(scores(model, data, question, "eap")))
        each = table(scores(model, data, question, "eap", over=[Site(early[0].address, Position("each")), *rest]))
        assert {str(a.position) for a, _ in each if a.address == early[0].address} >= {"0", "image[0]", "image[3]"}
        for (a, b), value in each.items():
            if a.position == patch(3):
                np.testing.assert_allclose(value, found[a, b], rtol=0, atol=1e-12)
        assert held((model, data), readout, end, [*parts, *rest], by_itself) > 10


def test_dead_neurons_score_exactly_zero(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("handmade")
    write_handmade(root / "model")
    tiny.write_lines(root / "rows.jsonl", ROWS)
    data = load(DataRef("d", "jsonl", root / "rows.jsonl", (("prompt", row("clean")),)))
    model = load_model(ModelRef(M, "./model", root / "model", dtype="float64"))
    readout = op(read("logit", "A", position=LAST), "-", read("logit", "B", position=LAST))
    end = do((site("embed"), op(site("embed"), "*", 0.7)), (site("layer[0].head[1].out"), 0.2))
    over = [site("layer[0].head[1].out"), *neurons(model), Site(site("layer[1].mlp.neuron[0]").address, LAST)]
    for method in ("eap", "gradcam_pp", "exact"):
        found = table(scores(model, data, Question(M, readout, FACTUAL, end), method, over=over))
        live = {(over[0], site("layer[1].mlp.neuron[0]")), (site("layer[1].mlp.neuron[0]"), None)}
        for (a, b), value in found.items():
            dead = any(s is not None and s.address.local in MUTE for s in (a, b))
            assert not (dead and value.any())
        assert all(found[ends].any() for ends in live)
        if method != "gradcam_pp":  # whose weights look at all positions of a node
            late = Site(site("layer[1].mlp.neuron[0]").address, LAST)
            np.testing.assert_allclose(found[late, None], found[site("layer[1].mlp.neuron[0]"), None])


def refused(pair: Pair, end: World, over: Sequence[Site], start: World = FACTUAL) -> str:
    with pytest.raises(DiagnosticError) as found:
        scores(*pair, Question(M, READOUT, start, end), "eap", over=over)
    (only,) = found.value.diagnostics
    return f"{only.code} {only.message}"


def test_each_position_of_rows_of_other_lengths(pair: Pair, end: World) -> None:
    said = refused(pair, end, [Site(site("embed").address, Position("each"))])
    assert said.startswith("CQ244 `m.embed @ each` needs rows of one length, and these have 11 in row 3, 15 in row 0")


def test_each_position_of_rows_of_one_length(pair: Pair, end: World) -> None:
    model, data = pair
    one = (model, data.take([0, 0]))
    each = Position("each")
    nodes = [s for s in nodes_of(model.sites, M) if "layer[0].mlp" not in str(s.address)]
    fine = asked(one, end, [Site(s.address, each) for s in nodes])
    agree(summed(fine), asked(one, end, ()))
    assert {a.position for a, _ in fine} == {at(k) for k in range(15)}


def test_generated_positions(pair: Pair, end: World) -> None:
    assert refused(pair, end, [Site(site("embed").address, Position("new"))]).startswith("CQ789 `m.embed @ new`")


def test_a_stream_is_no_node(pair: Pair, end: World) -> None:
    said = refused(pair, end, [site("layer[0].resid_in"), site("layer[0].head[0].out")])
    assert said.startswith("CQ793 wires of `m.layer[0].resid_in @ all` are not attributed")


def test_too_many_wires(pair: Pair, end: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causalcircuit.attribution.fine._MOST", 1000)
    assert refused(pair, end, neurons(pair[0])).startswith("CQ793 these nodes have more than 1,000 wires")
