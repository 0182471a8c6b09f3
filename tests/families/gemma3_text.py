"""Gemma 3 without images: Gemma 2 with norms at q and k instead of caps."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer

DECODER = tower(
    norm="sandwich",
    attention="post_attention_layernorm",
    mlp_write="post_feedforward_layernorm",
    norms=("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"),
    windows={0: 4, 2: 4},
)


@family(
    "gemma3_text",
    kind="decoder",
    facts=Facts((DECODER,), tied=True),
    notes=f"embeddings are multiplied by sqrt(width); norms multiply by 1 + weight; layers with a window rotate by "
    f"another base; {CASTS}",
)
def gemma3_text(folder: Path) -> None:
    config = transformers.Gemma3TextConfig(
        **SIZES,
        **WIDE,
        query_pre_attn_scalar=24,
        sliding_window=4,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    save(folder, transformers.Gemma3ForCausalLM(config), tokenizer("<bos> $A"))
