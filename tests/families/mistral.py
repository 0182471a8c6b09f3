"""Mistral: Llama with a window in every layer."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer


@family("mistral", kind="decoder", facts=Facts((tower(windows={0: 5, 1: 5, 2: 5}),)), notes=CASTS)
def mistral(folder: Path) -> None:
    config = transformers.MistralConfig(**SIZES, **WIDE, sliding_window=5)
    save(folder, transformers.MistralForCausalLM(config), tokenizer("<bos> $A"))
