"""Gemma 2: norms before and after, capped logits, layers that see a window."""

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
    "gemma2",
    kind="decoder",
    facts=Facts((DECODER,), tied=True, logit_cap=30.0),
    missing={"sdpa": "sdpa cannot cap the attention scores, at 50 tanh(x/50)"},
    notes=f"embeddings are multiplied by sqrt(width); norms multiply by 1 + weight; {CASTS}",
)
def gemma2(folder: Path) -> None:
    config = transformers.Gemma2Config(**SIZES, **WIDE, query_pre_attn_scalar=24, sliding_window=4)
    save(folder, transformers.Gemma2ForCausalLM(config), tokenizer("<bos> $A"))
