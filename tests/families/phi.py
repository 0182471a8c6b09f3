"""Phi (1, 1.5 and 2): parallel blocks of one norm."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(
    head_dim=16,
    rotary_dims=8,
    norm="parallel",
    norms=("input_layernorm",),
    projection="self_attn.dense",
    neurons="mlp.fc2",
    final_norm="model.final_layernorm",
)


@family("phi", kind="decoder", facts=Facts((DECODER,)), notes=f"lm_head has a bias; {CASTS}")
def phi(folder: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    config = transformers.PhiConfig(**SIZES, rope_parameters=rope)
    save(folder, transformers.PhiForCausalLM(config), tokenizer())
