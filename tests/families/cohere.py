"""Cohere (Command R): parallel blocks of one norm, scaled logits."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(head_dim=16, rotary_dims=16, norm="parallel", norms=("input_layernorm",))


@family(
    "cohere",
    kind="decoder",
    facts=Facts((DECODER,), tied=True, logit_multiplier=0.25),
    notes=f"neighbouring dimensions rotate together; norms have no bias; {CASTS}",
)
def cohere(folder: Path) -> None:
    config = transformers.CohereConfig(**SIZES, logit_scale=0.25)
    save(folder, transformers.CohereForCausalLM(config), tokenizer("<bos> $A"))
