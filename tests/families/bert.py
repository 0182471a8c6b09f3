"""BERT with its masked-word head."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import PAD, VOCABULARY, save, tokenizer

ENCODER = Tower(
    "encoder",
    blocks="bert.encoder.layer",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=72,
    norm="post",
    positions="learned",
    attention="attention.output.dense",
    mlp_write="output.dense",
    projection="attention.output.dense",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    neurons="output.dense",
    causal=False,
)


@family(
    "bert",
    kind="encoder",
    facts=Facts((ENCODER,), unembedding="cls.predictions.decoder", tied=True),
    notes="post-norm: attention.output.LayerNorm and output.LayerNorm normalise stream plus write; "
    "cls.predictions.transform stands between the last block and the unembedding",
)
def bert(folder: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=72,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=64,
        pad_token_id=PAD,
    )
    save(folder, transformers.BertForMaskedLM(config), tokenizer("<cls> $A <sep>", types=True))
