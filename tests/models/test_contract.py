"""The hook contract: every clause catches the fault that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from causalcircuit.models import LoadedModel
from causalcircuit.models.contract import ContractError, prove
from causalcircuit.models.probe import Probe, make_probe
from causalcircuit.models.taps import Tap


@pytest.fixture
def probe(captioner: LoadedModel) -> Probe:
    return make_probe(captioner.hf.config.to_dict(), captioner.sites, 100, captioner.dtype, captioner.device)


def moved(model: LoadedModel, name: str, **changed: Any) -> LoadedModel:
    """The model with one tap set on another place."""
    return replace(model, taps={**model.taps, name: replace(model.taps[name], **changed)})


def test_honest_models_pass(captioner: LoadedModel, gpt2: LoadedModel, probe: Probe) -> None:
    prove(captioner, probe)
    prove(gpt2, replace(probe, pixels=None))


def at(model: LoadedModel, path: str) -> nn.Module:
    found: nn.Module = model.hf.get_submodule(path)
    return found


HOME = "decoder.transformer.h.0"
FAULTS: dict[str, tuple[Callable[[LoadedModel], LoadedModel], str]] = {
    "heads of another layer": (
        lambda m: moved(m, "decoder.layer[0].z", module=at(m, "decoder.transformer.h.1.attn.c_proj")),
        "heads + bias = attention",
    ),
    "cross-attention for attention": (
        lambda m: moved(m, "decoder.layer[0].attn.out", module=at(m, f"{HOME}.crossattention")),
        "heads + bias = attention",
    ),
    "cross heads of self-attention": (
        lambda m: moved(m, "decoder.layer[0].cross.z", module=at(m, f"{HOME}.attn.c_proj")),
        "cross-attention heads",
    ),
    "skipped residual": (
        lambda m: moved(m, "decoder.layer[1].resid_mid", before=at(m, HOME)),
        "stream + attention = stream between",
    ),
    "another layer's MLP": (
        lambda m: moved(m, "encoder.layer[0].mlp.out", module=at(m, "encoder.layers.1.mlp")),
        "encoder.layer[0]: stream + attention + MLP",
    ),
    "the stream of another block": (
        lambda m: moved(m, "encoder.resid[1]", module=at(m, "encoder.layers.0")),
        "stream",
    ),
    "neurons before the activation": (
        lambda m: moved(
            m, "encoder.layer[0].mlp.neurons", module=at(m, "encoder.layers.0.mlp.fc1"), side="out", size=9
        ),
        "has the shape",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tap_on_the_wrong_tensor(captioner: LoadedModel, probe: Probe, fault: str) -> None:
    plant, clause = FAULTS[fault]
    with pytest.raises(ContractError) as caught:
        prove(plant(captioner), probe)
    assert clause in str(caught.value)


def test_tap_that_never_fires(captioner: LoadedModel, probe: Probe) -> None:
    with pytest.raises(ContractError, match="passed 0 times"):
        prove(moved(captioner, "encoder.final_norm", module=nn.Identity()), probe)


def test_padding_that_leaks(gpt2: LoadedModel, probe: Probe) -> None:
    """Positions that are not told to the model shift under left padding."""
    shifted = replace(gpt2, side="left", takes=replace(gpt2.takes, position_ids=False))
    with pytest.raises(ContractError, match="padding"):
        prove(shifted, replace(probe, pixels=None))
    prove(replace(gpt2, side="left"), replace(probe, pixels=None))


def test_writing_goes_through(gpt2: LoadedModel, probe: Probe) -> None:
    """An edit of any tap moves the logits, and nothing that was computed before it."""
    order = list(gpt2.taps)
    assert probe.rows is not None
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, value: torch.Tensor) -> torch.Tensor:
        seen[name] = value.clone()
        return value

    plain = gpt2.forward(probe.rows, None, order, keep)
    before = dict(seen)
    for name in order:

        def edit(at: str, value: torch.Tensor, target: str = name) -> torch.Tensor:
            return keep(at, value + 1 if at == target else value)

        assert not torch.equal(gpt2.forward(probe.rows, None, order, edit), plain)
        for earlier in order[: order.index(name)]:
            assert torch.equal(seen[earlier], before[earlier]), (name, earlier)


def test_hooks_go_when_a_pass_fails(gpt2: LoadedModel, probe: Probe) -> None:
    def fail(name: str, value: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpt2.forward(probe.rows, None, gpt2.taps, fail)
    left = [m for m in gpt2.hf.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert left == []


def test_taps_are_named_once(captioner: LoadedModel) -> None:
    assert all(isinstance(t, Tap) and t.name == name for name, t in captioner.taps.items())
