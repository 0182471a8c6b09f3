"""Roles found by structure are the modules that a reader of the code would name."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from causalcircuit.models import LoadedModel, load
from causalcircuit.query import Address, AddressError, ModelRef, Part
from tests.truth import tiny

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}


def names(model: LoadedModel) -> dict[int, str]:
    return {id(m): n for n, m in model.hf.named_modules()}


def roles(model: LoadedModel, tower: int) -> list[str]:
    """The names of the modules of a tower's last block, and of its norm."""
    stack = model.stacks[tower]
    block = stack.blocks[-1]
    cross = [] if block.cross is None else [block.cross.core, block.cross.projection]
    assert block.last is not None
    assert stack.norm is not None
    parts: list[nn.Module] = [
        block.module, block.attention.core, block.attention.projection, *cross, block.mlp.module, block.last, stack.norm
    ]  # fmt: skip
    known = names(model)
    return [known[id(m)] for m in parts]


def test_gpt2(gpt2: LoadedModel) -> None:
    at = "transformer.h.1"
    assert roles(gpt2, 0) == [
        at, f"{at}.attn", f"{at}.attn.c_proj", f"{at}.mlp", f"{at}.mlp.c_proj", "transformer.ln_f"
    ]  # fmt: skip


def test_captioner(captioner: LoadedModel) -> None:
    at = "encoder.layers.1"
    assert roles(captioner, 0) == [
        at, f"{at}.attention", f"{at}.attention.o_proj", f"{at}.mlp", f"{at}.mlp.fc2", "encoder.layernorm"
    ]  # fmt: skip
    at = "decoder.transformer.h.1"
    assert roles(captioner, 1) == [
        at, f"{at}.attn", f"{at}.attn.c_proj", f"{at}.crossattention", f"{at}.crossattention.c_proj",
        f"{at}.mlp", f"{at}.mlp.c_proj", "decoder.transformer.ln_f",
    ]  # fmt: skip


def saved(model: PreTrainedModel, folder: Path) -> ModelRef:
    tiny.shake(model, 1)
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return ModelRef("m", "./other", folder, dtype="float64")


WORDS = len(tiny.tokenizer())


@pytest.mark.parametrize(
    "make",
    [
        lambda: LlamaForCausalLM(LlamaConfig(vocab_size=WORDS, **SIZES, num_key_value_heads=2)),
        lambda: Qwen3ForCausalLM(Qwen3Config(vocab_size=WORDS, **SIZES, num_key_value_heads=2, head_dim=10)),
    ],
    ids=["llama with grouped queries", "qwen3 with heads wider than the stream"],
)
def test_families_that_need_no_word_of_their_own(tmp_path: Path, make) -> None:
    model = load(saved(make(), tmp_path))
    at = "model.layers.1"
    assert roles(model, 0) == [
        at, f"{at}.self_attn", f"{at}.self_attn.o_proj", f"{at}.mlp", f"{at}.mlp.down_proj", "model.norm"
    ]  # fmt: skip


@pytest.mark.parametrize("parallel", [False, True])
def test_parallel_blocks_have_no_stream_between(tmp_path: Path, parallel: bool) -> None:
    """Where the MLP does not read the stream after attention, an assignment there would mean something else."""
    ref = saved(GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=WORDS, **SIZES, use_parallel_residual=parallel)), tmp_path)
    model = load(ref)
    address = Address("m", (Part("layer", 1), Part("resid_mid")))
    if not parallel:
        assert model.sites.info(address).tensor in model.taps
        return
    assert "layer[1].resid_mid" not in model.taps
    with pytest.raises(AddressError, match="read the same stream"):
        model.sites.info(address)
