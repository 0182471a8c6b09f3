"""A pass resumed in a later block gives what the whole pass gives, in every tower and block of every family."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from causalcircuit.models import LoadedModel, load
from causalcircuit.models.replay import record, resumed
from causalcircuit.query import ModelRef
from tests.families import all_families, folder_of

FEW = ("gpt2", "llama", "falcon", "bert", "t5", "blip", "llava_next", "qwen2_5_vl")
ITEMS = [1, 0, 1, 0, 0]
TOLERANCE = 2e-6
"""Relative to the largest output: batched products round by batch size, which a mixture or a packed tower shows."""


def noisy(_: str, value: Tensor) -> Tensor:
    noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(5))
    return value + noise.to(value.dtype)


def check(model: LoadedModel) -> None:
    feeds = model.probe.ragged
    trace = record(model, feeds)
    batch = model.batch([feeds[i] for i in ITEMS])
    tried = 0
    for number, stack in enumerate(model.stacks):
        for layer in range(len(stack.blocks)):
            name = f"{stack.tower.prefix}layer[{layer}].attn.out"
            if name in model.refused:
                continue
            whole = model.forward(batch, [name], noisy)
            with resumed(model, trace, ITEMS, number, layer):
                short = model.forward(batch, [name], noisy)
            assert (whole - short).abs().max() <= TOLERANCE * whole.abs().max(), (stack.tower.name, layer)
            plain = model.forward(batch, (), lambda _, x: x)
            assert not torch.equal(plain, whole) or name in model.proof.unread
            tried += 1
    assert tried
    assert not any("forward" in b.module.__dict__ for s in model.stacks for b in s.blocks)


@pytest.mark.parametrize("name", FEW)
def test_a_resumed_pass(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(load(ModelRef("m", name, folder_of(name, tmp_path_factory))))


@pytest.mark.slow
@pytest.mark.parametrize("name", [f.name for f in all_families() if f.name not in (*FEW, "swin") and not f.unbuildable])
def test_a_resumed_pass_of_any_family(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(load(ModelRef("m", name, folder_of(name, tmp_path_factory))))


def test_earlier_blocks_do_not_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = load(ModelRef("m", "gpt2", folder_of("gpt2", tmp_path_factory)))
    trace = record(model, model.probe.even)
    ran: list[int] = []
    handles = [
        b.attention.core.register_forward_hook(lambda *_, i=i: ran.append(i))
        for i, b in enumerate(model.stacks[0].blocks)
    ]
    with resumed(model, trace, [0, 1], 0, 2):
        output = model.forward(model.batch(model.probe.even), (), lambda _, x: x)
    for handle in handles:
        handle.remove()
    assert ran == [2]
    assert torch.equal(output, trace.logits)
