"""What must hold of the brute force before it may judge: each point is the tensor it is named for."""

from __future__ import annotations

import math

import pytest
import torch

from causalcircuit.query import ALL, FIRST, LAST
from tests.truth.brute import Brute
from tests.truth.say import (
    call,
    cell,
    do,
    feed,
    given,
    index,
    masked,
    mean,
    minus,
    op,
    patch,
    read,
    row,
    site,
    span,
    together,
    token,
    within,
)
from tests.truth.tiny import PROMPTS

OTHER = do((feed("input"), row("other")))
OFFICE = do((feed("image"), row("office")))
ANSWER = read("logit", row("answer"))


def tensors(brute: Brute, i: int = 0) -> dict[str, torch.Tensor]:
    return brute.run(i, do())[1]


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- points


@pytest.mark.parametrize(("tower", "layers"), [("encoder.", 2), ("decoder.", 2)])
def test_the_stream_adds_up_in_the_captioner(captioner: Brute, tower: str, layers: int) -> None:
    t = tensors(captioner)
    for i in range(layers):
        mid = t[f"{tower}resid {i}"] + t[f"{tower}attn.out {i}"]
        assert close(mid, t[f"{tower}resid_mid {i}"])
        cross = t.get(f"{tower}cross.out {i}", torch.zeros(()))
        assert close(mid + cross + t[f"{tower}mlp.out {i}"], t[f"{tower}resid {i + 1}"])
    assert (f"{tower}cross.out 0" in t) == (tower == "decoder.")


def test_points_are_what_the_modules_around_them_make_of_each_other(gpt2: Brute) -> None:
    t, body = tensors(gpt2), gpt2.model.transformer
    ids = gpt2.inputs(0, do(), ())["input_ids"][0]
    with torch.no_grad():
        assert close(t["resid 0"], body.wte(ids) + body.wpe(torch.arange(len(ids))))
        for i, block in enumerate(body.h):
            assert close(t[f"attn.in {i}"], block.ln_1(t[f"resid {i}"]))
            assert close(t[f"attn.out {i}"], block.attn.c_proj(t[f"heads {i}"]))
            assert close(t[f"mlp.in {i}"], block.ln_2(t[f"resid_mid {i}"]))
            assert close(t[f"neurons {i}"], block.mlp.act(block.mlp.c_fc(t[f"mlp.in {i}"])))
            assert close(t[f"mlp.out {i}"], block.mlp.c_proj(t[f"neurons {i}"]))
            assert close(t[f"resid_mid {i}"] + t[f"mlp.out {i}"], t[f"resid {i + 1}"])
        assert close(t["final_norm"], body.ln_f(t["resid 2"]))
        assert close(gpt2.run(0, do())[0], gpt2.model.lm_head(t["final_norm"]))


def test_points_of_the_encoder_likewise(captioner: Brute) -> None:
    t, encoder, decoder = tensors(captioner), captioner.model.encoder, captioner.model.decoder.transformer
    with torch.no_grad():
        for i, layer in enumerate(encoder.layers):
            assert close(t[f"encoder.attn.in {i}"], layer.layernorm_before(t[f"encoder.resid {i}"]))
            assert close(t[f"encoder.attn.out {i}"], layer.attention.o_proj(t[f"encoder.heads {i}"]))
            assert close(t[f"encoder.mlp.in {i}"], layer.layernorm_after(t[f"encoder.resid_mid {i}"]))
            assert close(t[f"encoder.mlp.out {i}"], layer.mlp.fc2(t[f"encoder.neurons {i}"]))
        assert close(t["encoder.final_norm"], encoder.layernorm(t["encoder.resid 2"]))
        for i, block in enumerate(decoder.h):
            assert close(t[f"decoder.cross.out {i}"], block.crossattention.c_proj(t[f"decoder.cross.heads {i}"]))


def test_hooks_leave_no_trace_and_change_no_bit(gpt2: Brute, captioner: Brute) -> None:
    for brute in (gpt2, captioner):
        inputs = brute.inputs(0, do(), ())
        with torch.no_grad():
            plain = brute.model(**inputs).logits[0]
        assert torch.equal(brute.run(0, do())[0], plain)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in brute.model.modules())


# ---------------------------------------------------------------------- worlds

CUTS = ["embed", "layer[0].resid_mid", "layer[0].resid", "layer[1].resid_mid", "layer[1].resid", "final_norm"]


@pytest.mark.parametrize("address", CUTS)
def test_a_cut_through_the_stream_carries_the_whole_world(gpt2: Brute, address: str) -> None:
    """Prompts of one length (row 2): what is patched whole is all that follows reads."""
    cut = site(address, ALL)
    got = gpt2.cell(2, cell(ANSWER, do((cut, given(cut, OTHER)))))
    assert got == pytest.approx(gpt2.cell(2, cell(ANSWER, OTHER)), abs=1e-11)


@pytest.mark.parametrize("address", [*(f"encoder.{c}" for c in CUTS), "encoder.out"])
def test_the_image_reaches_the_caption_through_the_encoder_alone(captioner: Brute, address: str) -> None:
    cut = site(address, ALL)
    got = captioner.cell(0, cell(ANSWER, do((cut, given(cut, OFFICE)))))
    assert got == pytest.approx(captioner.cell(0, cell(ANSWER, OFFICE)), abs=1e-11)
    assert got != pytest.approx(captioner.cell(0, cell(ANSWER)), abs=1e-3)


def test_the_image_reaches_the_caption_through_cross_attention_alone(captioner: Brute) -> None:
    cross = [site(f"decoder.layer[{i}].cross.out", ALL) for i in range(2)]
    heads = [site(f"decoder.layer[{i}].cross.head[{j}].out", ALL) for i in range(2) for j in range(3)]
    for cut in (cross, heads):
        got = captioner.cell(1, cell(ANSWER, do(*((c, given(c, OFFICE)) for c in cut))))
        assert got == pytest.approx(captioner.cell(1, cell(ANSWER, OFFICE)), abs=1e-11)


def test_a_site_set_to_its_own_value_changes_nothing(gpt2: Brute) -> None:
    for address in (*CUTS, "layer[1].head[0].out", "layer[0].mlp.neuron[3]"):
        node = site(address, LAST)
        for value in (node, given(node), op(op(node, "*", 2), "-", node)):
            assert gpt2.cell(1, cell(ANSWER, do((node, value)))) == pytest.approx(gpt2.cell(1, cell(ANSWER)), abs=1e-11)


def test_what_is_assigned_is_what_is_read(gpt2: Brute) -> None:
    for address in ("layer[0].resid_mid", "layer[1].attn.out", "layer[0].mlp.neuron[3]", "layer[1].head[2].out"):
        node = site(address, together(FIRST, LAST))
        world = do((node, op(row("dose"), "+", 3)))
        assert gpt2.value(2, node, world).flatten().tolist() == pytest.approx([5.0] * 2 * width(gpt2, address))
        assert gpt2.value(2, minus(node), world).max() == pytest.approx(-5.0)


def width(brute: Brute, address: str) -> int:
    return {"layer[0].mlp.neuron[3]": 1, "layer[1].head[2].out": 8}.get(address, brute.model.config.n_embd)


def test_the_narrower_assignment_wins_whatever_the_order(gpt2: Brute) -> None:
    wide, narrow = site("layer[0].resid", ALL), site("layer[1].resid_in", LAST)
    both = gpt2.value(0, wide, do((wide, 1), (narrow, 2)))
    assert both[:-1].eq(1).all()
    assert both[-1].eq(2).all()


def test_a_natural_value_is_that_of_the_same_world(gpt2: Brute) -> None:
    """`do(A = 0, B = B)` leaves B as A = 0 makes it; `(B | do())` is the factual one."""
    a, b = site("layer[0].attn.out", ALL), site("layer[1].head[1].out", LAST)
    assert torch.equal(gpt2.value(0, b, do((a, 0), (b, b))), gpt2.value(0, b, do((a, 0))))
    frozen = gpt2.value(0, b, do((a, 0), (b, given(b))))
    assert torch.equal(frozen, gpt2.value(0, b, do()))
    assert not close(frozen, gpt2.value(0, b, do((a, 0))))


def test_assignments_to_one_tensor_are_simultaneous(gpt2: Brute) -> None:
    heads = [site(f"layer[1].head[{j}].out", ALL) for j in range(2)]
    own = [gpt2.value(0, h, do()) for h in heads]
    traded = do((heads[0], heads[1]), (heads[1], heads[0]))
    assert torch.equal(gpt2.value(0, heads[0], traded), own[1])
    assert torch.equal(gpt2.value(0, heads[1], traded), own[0])
    wide, narrow = site("layer[0].resid", ALL), site("layer[0].resid", LAST)
    kept = do((wide, 0), (narrow, narrow))
    assert torch.equal(gpt2.value(0, narrow, kept), gpt2.value(0, narrow, do()))


def test_means_are_those_of_the_rows(gpt2: Brute) -> None:
    node = site("layer[0].mlp.out", LAST)
    rows = torch.stack([gpt2.run(i, do())[1]["mlp.out 0"][-1] for i in range(len(PROMPTS))])
    assert close(gpt2.mean(mean(node))[0], rows.mean(0))
    everywhere = site("layer[0].mlp.out", ALL)
    texts = torch.stack([gpt2.run(i, do())[1]["mlp.out 0"].mean(0) for i in range(len(PROMPTS))])
    assert close(gpt2.mean(mean(everywhere, pooled=True)), texts.mean(0))


# ---------------------------------------------------------------------- readouts


def test_likelihood_of_several_tokens_is_the_model_s_own_loss(gpt2: Brute) -> None:
    # The model's loss is taken in float32, whatever its weights are.
    for i, answer in enumerate((" Elisabeth", " Tom gave", " Mary", " argument")):
        prompt = gpt2.tokenizer(PROMPTS[i]["clean"]).input_ids
        tokens = gpt2.tokenizer(answer, add_special_tokens=False).input_ids
        ids = torch.tensor([prompt + tokens])
        labels = torch.tensor([[-100] * len(prompt) + tokens])
        with torch.no_grad():
            loss = float(gpt2.model(input_ids=ids, labels=labels).loss)
        assert gpt2.cell(i, cell(read("logprob", answer))) == pytest.approx(-loss * len(tokens), rel=1e-6)
        assert gpt2.cell(i, cell(read("prob", answer))) == pytest.approx(math.exp(-loss * len(tokens)), rel=1e-5)


def test_probabilities_of_all_tokens_add_up_to_one(gpt2: Brute) -> None:
    logits = gpt2.run(3, do())[0][-1]
    words = [gpt2.tokenizer.decode([t]) for t in range(len(logits))]
    single = [w for w in words if len(gpt2.tokenizer(w, add_special_tokens=False).input_ids) == 1]
    some, rest = gpt2.cell(3, cell(read("prob", *single[:9]))), gpt2.cell(3, cell(read("prob", *single[9:])))
    left_out = torch.softmax(logits, -1)[[w not in single for w in words]].sum()
    assert some + rest + float(left_out) == pytest.approx(1)
    assert gpt2.cell(3, cell(read("logprob", *single[:9]))) == pytest.approx(math.log(some))


def test_scalars_of_a_site(gpt2: Brute) -> None:
    node, neuron = site("layer[1].mlp.out", ALL), site("layer[1].mlp.neuron[5]", ALL)
    t = tensors(gpt2)
    assert gpt2.cell(0, cell(call("norm", node))) == pytest.approx(float(t["mlp.out 1"].norm()))
    assert gpt2.cell(0, cell(call("dot", node, node))) == pytest.approx(float(t["mlp.out 1"].norm() ** 2))
    assert gpt2.cell(0, cell(call("max", neuron))) == float(t["neurons 1"][:, 5].max())
    assert gpt2.cell(0, cell(call("avg", neuron))) == pytest.approx(float(t["neurons 1"][:, 5].mean()))


# ---------------------------------------------------------------------- positions


def words(brute: Brute, i: int, position, world=do()) -> list[str]:  # noqa: B008 - frozen
    ids = brute.tokenizer(brute.fed(i, "input", world)).input_ids
    return [brute.tokenizer.decode([ids[p]]) for p in brute.positions(i, position, "", world)]


def test_words_are_found_where_they_stand(gpt2: Brute) -> None:
    assert words(gpt2, 0, token("name")) == ["Mary"]
    assert words(gpt2, 1, token("name")) == ["h"]
    assert "".join(words(gpt2, 1, span("name"))) == "Elisabeth"
    assert gpt2.positions(0, token("twice", number=2), "", do()) == [10]
    assert gpt2.positions(0, token("twice", number=1, offset=1), "", do()) == [3]
    either = token(within("name", "clean"), within("stranger", "other"))
    assert words(gpt2, 0, either) == ["Mary"]
    assert words(gpt2, 0, either, OTHER) == [" Tom"]
    with pytest.raises(LookupError, match="2 times"):
        gpt2.positions(0, token("twice"), "", do())
    with pytest.raises(LookupError, match="0 times"):
        gpt2.positions(0, token("stranger"), "", do())


def test_plain_positions(gpt2: Brute, captioner: Brute) -> None:
    n = len(gpt2.tokenizer(PROMPTS[0]["clean"]).input_ids)
    assert gpt2.positions(0, ALL, "", do()) == list(range(n))
    assert gpt2.positions(0, together(FIRST, index(-2), index(4), LAST), "", do()) == [0, n - 2, 4, n - 1]
    assert captioner.positions(0, together(FIRST, patch(0), patch(15)), "encoder", do()) == [0, 1, 16]
    assert captioner.positions(0, ALL, "encoder", do()) == list(range(17))
    assert captioner.positions(2, ALL, "decoder", do()) == [0, 1]
    assert captioner.positions(2, token("name"), "decoder", do()) == [1]
    with pytest.raises(IndexError):
        gpt2.positions(0, index(40), "", do())


def test_patches_under_a_mask(captioner: Brute) -> None:
    """Row 0's mask covers pixels 3-10 down: of the patches ¼, 1, ¾, 0; and 2-13 across: ½, 1, 1, ½."""
    inside = captioner.positions(0, masked("inside", "mask"), "encoder", do())
    assert inside == [1 + 4 * r + c for r, c in [(1, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]]
    outside = captioner.positions(0, masked("outside", "mask"), "encoder", do())
    assert sorted(inside + outside) == list(range(1, 17))
