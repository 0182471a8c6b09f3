"""BLOOM: the residual is added inside the attention and the MLP module."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.llama_parts import MARKS
from tests.families.parts import VOCABULARY, save, tokenizer

DECODER = Tower(
    "decoder",
    blocks="transformer.h",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=192,
    norm="pre",
    positions="alibi",
    attention="self_attention.dense",
    mlp_write="mlp.dense_4h_to_h",
    projection="self_attention.dense",
    norms=("input_layernorm", "post_attention_layernorm"),
    neurons="mlp.dense_4h_to_h",
    final_norm="transformer.ln_f",
    interface=False,
)


@family(
    "bloom",
    kind="decoder",
    facts=Facts((DECODER,), tied=True),
    missing={"sdpa": "its attention is written out"},
    notes="self_attention and mlp return the stream with their write added; embeddings are normalised; the MLP is "
    "always four widths; the eager softmax is computed in float32; q, k and v come of one Linear, interleaved by head",
)
def bloom(folder: Path) -> None:
    config = transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=48, n_layer=3, n_head=4, **MARKS)
    save(folder, transformers.BloomForCausalLM(config), tokenizer())
