"""Llama, with grouped queries."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer


@family("llama", kind="decoder", facts=Facts((tower(),)), notes=CASTS)
def llama(folder: Path) -> None:
    config = transformers.LlamaConfig(**SIZES, **WIDE)
    save(folder, transformers.LlamaForCausalLM(config), tokenizer("<bos> $A"))
