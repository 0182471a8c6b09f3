"""ModernBERT: a pre-norm encoder with rotation, gates and windows."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import CLS, PAD, SEP, VOCABULARY, save, tokenizer

ENCODER = Tower(
    "encoder",
    blocks="model.layers",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=72,
    norm="pre",
    positions="rotary",
    rotary_dims=12,
    attention="attn",
    mlp_write="mlp",
    projection="attn.Wo",
    norms=("attn_norm", "mlp_norm"),
    neurons="mlp.Wo",
    final_norm="model.final_norm",
    causal=False,
    windows={1: 4, 2: 4},
)


@family(
    "modernbert",
    kind="encoder",
    facts=Facts((ENCODER,), unembedding="decoder", tied=True),
    notes="the first block has no norm before attention; head.dense and head.norm stand before the unembedding; q, k "
    "and v come of one Linear; rotary angles and the eager softmax are float32: float64 is accurate to 1e-7 only",
)
def modernbert(folder: Path) -> None:
    config = transformers.ModernBertConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        intermediate_size=72,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        local_attention=6,
        pad_token_id=PAD,
        bos_token_id=CLS,
        eos_token_id=SEP,
        cls_token_id=CLS,
        sep_token_id=SEP,
    )
    save(folder, transformers.ModernBertForMaskedLM(config), tokenizer("<cls> $A <sep>"))
