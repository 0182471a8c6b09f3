"""Clauses about masks, padding, places and composition, against faults in the model and in how its blocks are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from causalcircuit.models import LoadedModel
from causalcircuit.models.contract.prove import ContractError, prove, prove_more
from causalcircuit.models.roles import Block, Term
from causalcircuit.models.tapping import taps_of
from causalcircuit.models.taps import Tap
from tests.models.planted import as_other, bent, module_at, nowhere, on_copy, with_tap

Family = Callable[..., LoadedModel]


@contextmanager
def seeing(core: nn.Module, query: int, key: int) -> Iterator[None]:
    """Let one position of an attention see a later one."""
    before = core.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        mask = kwargs["attention_mask"].clone()
        if key < mask.shape[-1]:
            mask[..., query, key] = True if mask.dtype == torch.bool else 0.0
        return before(*args, **{**kwargs, "attention_mask": mask})

    core.forward = forward
    try:
        yield
    finally:
        del core.__dict__["forward"]


@pytest.mark.parametrize(
    ("name", "path"),
    [("gpt2", "transformer.h.1.attn"), ("llama", "model.layers.1.self_attn"), ("mixtral", "model.layers.1.self_attn")],
)
@pytest.mark.parametrize("query", [0, 2, 4])
def test_a_mask_that_leaks(family: Family, name: str, path: str, query: int) -> None:
    """One position of one layer sees the next one: what flows into that layer is refused, what leaves it is not."""
    model = family(name)
    with seeing(module_at(model, path), query, query + 1):
        proof = prove(model, model.probe)
    leaks = {n for n, said in proof.refused.items() if "a mask leaks" in said}
    assert leaks
    assert leaks == set(proof.refused)
    assert all(n in ("resid[0]", "resid[1]") or n.startswith(("layer[0]", "layer[1].")) for n in leaks)
    assert not leaks & {"layer[1].z", "layer[1].attn.out", "layer[1].mlp.out", "layer[2].mlp.out", "resid[3]"}
    assert prove(model, model.probe).refused == {}


def test_padding_that_leaks(family: Family) -> None:
    """Positions that are not told to the model shift under left padding."""
    model = family("gpt2")
    shifted = replace(model, side="left", takes=replace(model.takes, position_ids=False))
    with pytest.raises(ContractError, match="padding changes the logits"):
        prove(shifted, model.probe)
    told = replace(model, side="left")
    assert prove(told, model.probe).refused == {}


def test_positions_that_are_looked_up_elsewhere_under_padding(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output is right, but an item's own positions are sought where the padding is."""
    from causalcircuit.models.feed import Stream

    model = replace(family("llama", "sdpa"), side="left")
    monkeypatch.setattr(Stream, "place", lambda self, item, position: self.starts[item] - self.columns[item] + position)
    proof = prove(model, model.probe)
    assert set(proof.refused) == set(model.taps)
    assert set(proof.refused.values()) == {"padding changes what it holds at an item's positions"}


def test_places_of_tokens_that_the_model_counts_otherwise(family: Family) -> None:
    """RoBERTa's places start behind its padding token: 0, 1, 2, … passed to it give another output."""
    model = family("roberta")
    assert not model.takes.position_ids
    told = replace(model, takes=replace(model.takes, position_ids=True))
    with pytest.raises(ContractError, match="called with its inputs alone"):
        prove(told, model.probe)
    assert prove(model, model.probe).refused == {}


def recomposed(model: LoadedModel, change: Callable[[Block], Block]) -> LoadedModel:
    """The model, its blocks' roles solved otherwise."""
    stacks = tuple(replace(s, blocks=tuple(change(b) for b in s.blocks)) for s in model.stacks)
    return replace(model, stacks=stacks, taps=taps_of(stacks, None, model.sites))


def traded(block: Block) -> Block:
    """What attention writes taken for what the MLP writes, and the other way round."""
    return replace(block, attention=replace(block.attention, write=block.mlp), mlp=block.attention.write)


@pytest.mark.parametrize("name", ["gpt2", "bert", "gemma2", "granite", "falcon", "olmo2"])
def test_writes_of_attention_and_mlp_traded(family: Family, name: str) -> None:
    """Their sum is the same, so the stream alone does not tell: heads and neurons do."""
    proof = prove(recomposed(family(name), traded), family(name).probe)
    for i in range(3):
        assert {f"layer[{i}].attn.out", f"layer[{i}].mlp.out"} <= set(proof.refused)
        assert f"layer[{i}].z" not in proof.refused
        assert f"layer[{i}].mlp.neurons" not in proof.refused


def unscaled(block: Block) -> Block:
    return replace(
        block,
        attention=replace(block.attention, write=Term(block.attention.write.module)),
        mlp=Term(block.mlp.module),
    )


def inner(block: Block) -> Block:
    """What is written before the sandwich's norm."""
    return replace(block, attention=replace(block.attention, write=Term(block.attention.projection)))


@pytest.mark.parametrize(("name", "change"), [("granite", unscaled), ("gemma2", inner), ("olmo2", inner)])
def test_terms_solved_wrongly(family: Family, name: str, change: Callable[[Block], Block]) -> None:
    proof = prove(recomposed(family(name), change), family(name).probe)
    for i in range(3):
        assert "stream" in proof.refused[f"layer[{i}].attn.out"]
        assert f"layer[{i}].resid_mid" in proof.refused
        assert f"layer[{i}].z" not in proof.refused
    assert prove(recomposed(family(name), lambda b: b), family(name).probe).refused == {}


def as_parallel(block: Block) -> Block:
    return replace(block, order="parallel", reader=None)


def test_blocks_taken_for_parallel_ones(family: Family) -> None:
    """The sum is right; only who reads whom tells."""
    model = family("gpt2")
    stacks = tuple(replace(s, tower=replace(s.tower, parallel=True)) for s in model.stacks)
    sites = replace(model.sites, towers=tuple(s.tower for s in stacks))
    wrong = recomposed(replace(model, stacks=stacks, sites=sites), as_parallel)
    assert "layer[0].resid_mid" not in wrong.taps
    proof = prove(wrong, model.probe)
    assert any("mlp" in n for n in proof.refused)
    assert "beside it" in next(said for n, said in proof.refused.items() if "mlp" in n)


def test_further_assignments_are_proven_when_they_are_made(family: Family, deep: LoadedModel) -> None:
    """A fault in a layer that is neither first, middle nor last is not met at load, but before its first number."""
    assert family("gpt2").proof.assigned >= {f"layer[{i}].z" for i in range(3)}
    for tensor, fault in [
        ("layer[1].q", as_other(deep, "layer[1].q", "layer[2].q")),
        ("layer[4].k", bent(deep, "layer[4].k", on_copy)),
        ("layer[1].v", as_other(deep, "layer[1].v", "layer[1].k")),
    ]:
        proof = prove(fault, deep.probe)
        assert tensor not in proof.assigned
        honest = [n for n in deep.taps if n.startswith("layer[1]") and n != tensor]
        prove_more(fault, deep.probe, [*honest, tensor], proof)
        assert tensor in proof.refused
        assert tensor not in proof.assigned
        assert set(honest) - set(proof.refused) <= proof.assigned
        assert len(proof.refused) <= 2


def test_what_is_proven_stays_proven(deep: LoadedModel) -> None:
    proof = prove(deep, deep.probe)
    assert "layer[1].z" not in proof.assigned
    prove_more(deep, deep.probe, deep.taps, proof)
    assert proof.refused == {}
    assert proof.assigned == set(deep.taps)


def test_writing_goes_through(gpt2: LoadedModel) -> None:
    """An edit of any tap moves the logits, and nothing that was computed before it."""
    order = list(gpt2.taps)
    batch = gpt2.batch(gpt2.probe.even)
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    plain = gpt2.forward(batch, order, keep)
    before = dict(seen)
    generator = torch.Generator().manual_seed(0)
    for name in order:

        def edit(at: str, value: Tensor, target: str = name) -> Tensor:
            noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
            return keep(at, value + noise if at == target else value)

        assert not torch.equal(gpt2.forward(batch, order, edit), plain)
        for earlier in order[: order.index(name)]:
            assert torch.equal(seen[earlier], before[earlier]), (name, earlier)


def test_hooks_go_when_a_pass_fails(gpt2: LoadedModel) -> None:
    def fail(name: str, value: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpt2.forward(gpt2.batch(gpt2.probe.even), gpt2.taps, fail)
    left = [m for m in gpt2.hf.modules() if m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__]
    assert left == []


def test_a_pass_whose_tap_does_not_fire_gives_no_number(gpt2: LoadedModel) -> None:
    silent = nowhere(gpt2, "layer[0].z")
    with pytest.raises(RuntimeError, match=r"layer\[0\]\.z passed 0 times"):
        silent.forward(silent.batch(silent.probe.even), ["layer[0].z"], lambda _, x: x)


def test_taps_are_named_once(captioner: LoadedModel) -> None:
    assert all(isinstance(t, Tap) and t.name == name for name, t in captioner.taps.items())
    assert with_tap(captioner, captioner.taps["encoder.resid[0]"]).taps == captioner.taps
