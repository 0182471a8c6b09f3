"""DeBERTa-v2 as DeBERTa-v3 sets it: content and positions attend to each other."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import PAD, VOCABULARY, save, tokenizer

ENCODER = Tower(
    "encoder",
    blocks="deberta.encoder.layer",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=72,
    norm="post",
    positions="relative",
    attention="attention.output.dense",
    mlp_write="output.dense",
    projection="attention.output.dense",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    neurons="output.dense",
    causal=False,
    interface=False,
)


@family(
    "deberta_v2",
    model_type="deberta-v2",
    kind="encoder",
    facts=Facts((ENCODER,), unembedding="cls.predictions.decoder", tied=True),
    missing={"sdpa": "its attention is written out: it adds content-to-position and position-to-content scores"},
    notes="post-norm; q and k of the positions come of the same projections as those of the words; blocks return a "
    "tuple; no positions are added to the embeddings",
)
def deberta_v2(folder: Path) -> None:
    config = transformers.DebertaV2Config(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=72,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=64,
        relative_attention=True,
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type="p2c|c2p",
        position_biased_input=False,
        pad_token_id=PAD,
    )
    save(folder, transformers.DebertaV2ForMaskedLM(config), tokenizer("<cls> $A <sep>", types=True))
