"""GPT-Neo: layers that see everything and layers that see a window take turns."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import BOS, EOS, PAD, VOCABULARY, save, tokenizer

DECODER = Tower(
    "decoder",
    blocks="transformer.h",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=72,
    norm="pre",
    positions="learned",
    attention="attn",
    mlp_write="mlp",
    projection="attn.attention.out_proj",
    norms=("ln_1", "ln_2"),
    neurons="mlp.c_proj",
    final_norm="transformer.ln_f",
    windows={1: 4},
    interface=False,
)


@family(
    "gpt_neo",
    kind="decoder",
    facts=Facts((DECODER,), tied=True),
    missing={"sdpa": "its attention is written out: eager and flash only"},
    notes="scores are not divided by sqrt(head_dim), and are computed in float32",
)
def gpt_neo(folder: Path) -> None:
    config = transformers.GPTNeoConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=64,
        hidden_size=48,
        num_layers=3,
        attention_types=[[["global", "local", "global"], 1]],
        num_heads=4,
        intermediate_size=72,
        window_size=4,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    save(folder, transformers.GPTNeoForCausalLM(config), tokenizer())
