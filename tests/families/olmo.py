"""OLMo: Llama with norms that have no parameters."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(head_dim=16, rotary_dims=16)


@family("olmo", kind="decoder", facts=Facts((DECODER,)), notes=f"q, k and v are clipped to ±2 in place; {CASTS}")
def olmo(folder: Path) -> None:
    config = transformers.OlmoConfig(**SIZES, clip_qkv=2.0)
    save(folder, transformers.OlmoForCausalLM(config), tokenizer())
