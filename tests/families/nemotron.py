"""Nemotron: squared ReLU, norms that multiply by 1 + weight."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer

DECODER = tower(rotary_dims=12)


@family("nemotron", kind="decoder", facts=Facts((DECODER,)), notes=f"half of a head's dimensions rotate; {CASTS}")
def nemotron(folder: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    config = transformers.NemotronConfig(**SIZES, **WIDE, rope_parameters=rope)
    save(folder, transformers.NemotronForCausalLM(config), tokenizer("<bos> $A"))
