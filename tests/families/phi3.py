"""Phi-3: Llama with q, k, v in one Linear, and gate and up in another."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(head_dim=16, rotary_dims=16)


@family("phi3", kind="decoder", facts=Facts((DECODER,)), notes=CASTS)
def phi3(folder: Path) -> None:
    config = transformers.Phi3Config(**SIZES)
    save(folder, transformers.Phi3ForCausalLM(config), tokenizer("<bos> $A"))
