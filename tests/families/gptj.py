"""GPT-J: parallel blocks of one norm, rotation of neighbouring dimensions."""

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
    norm="parallel",
    positions="rotary",
    rotary_dims=8,
    attention="attn",
    mlp_write="mlp",
    projection="attn.out_proj",
    norms=("ln_1",),
    neurons="mlp.fc_out",
    final_norm="transformer.ln_f",
    interface=False,
)


@family(
    "gptj",
    kind="decoder",
    facts=Facts((DECODER,)),
    missing={"sdpa": "its attention is written out: eager and flash only"},
    notes="scores are computed in float32; lm_head has a bias; the table of rotations is a buffer of each layer",
)
def gptj(folder: Path) -> None:
    config = transformers.GPTJConfig(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=48,
        n_layer=3,
        n_head=4,
        rotary_dim=8,
        n_inner=72,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    save(folder, transformers.GPTJForCausalLM(config), tokenizer())
