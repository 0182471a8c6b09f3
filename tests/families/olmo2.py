"""OLMo-2: norms of what attention and MLP write, none of what they read."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import save, tokenizer

DECODER = tower(
    head_dim=16,
    rotary_dims=16,
    norm="output",
    attention="post_attention_layernorm",
    mlp_write="post_feedforward_layernorm",
    norms=("post_attention_layernorm", "post_feedforward_layernorm"),
)


@family(
    "olmo2",
    kind="decoder",
    facts=Facts((DECODER,)),
    notes=f"q and k are normalised over all heads together; {CASTS}",
)
def olmo2(folder: Path) -> None:
    config = transformers.Olmo2Config(**SIZES)
    save(folder, transformers.Olmo2ForCausalLM(config), tokenizer())
