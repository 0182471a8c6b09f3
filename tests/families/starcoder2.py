"""Starcoder2: Llama's attention, GPT-2's MLP and norms."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(head_dim=16, rotary_dims=16, neurons="mlp.c_proj")


@family("starcoder2", kind="decoder", facts=Facts((DECODER,), tied=True), notes=CASTS)
def starcoder2(folder: Path) -> None:
    config = transformers.Starcoder2Config(**SIZES)
    save(folder, transformers.Starcoder2ForCausalLM(config), tokenizer())
