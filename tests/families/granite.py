"""Granite: Llama whose embeddings, scores, writes and logits are multiplied."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(head_dim=16, rotary_dims=16, multiplier=0.3)


@family(
    "granite",
    kind="decoder",
    facts=Facts((DECODER,), tied=True, logit_multiplier=0.5),
    notes=f"embeddings are multiplied by 3, scores by 0.2; {CASTS}",
)
def granite(folder: Path) -> None:
    config = transformers.GraniteConfig(
        **SIZES,
        embedding_multiplier=3.0,
        attention_multiplier=0.2,
        residual_multiplier=0.3,
        logits_scaling=2.0,
        tie_word_embeddings=True,
    )
    save(folder, transformers.GraniteForCausalLM(config), tokenizer())
