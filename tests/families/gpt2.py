"""GPT-2."""

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
    projection="attn.c_proj",
    norms=("ln_1", "ln_2"),
    neurons="mlp.c_proj",
    final_norm="transformer.ln_f",
)


@family(
    "gpt2",
    kind="decoder",
    facts=Facts((DECODER,), tied=True),
    notes="q, k and v are one Conv1D of weight [in, out]; positions do not follow the mask unless they are passed",
)
def gpt2(folder: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=48,
        n_layer=3,
        n_head=4,
        n_inner=72,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    save(folder, transformers.GPT2LMHeadModel(config), tokenizer())
