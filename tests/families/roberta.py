"""RoBERTa with its masked-word head."""

from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.llama_parts import MARKS
from tests.families.parts import VOCABULARY, save, tokenizer

ENCODER = Tower(
    "encoder",
    blocks="roberta.encoder.layer",
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
    "roberta",
    kind="encoder",
    facts=Facts((ENCODER,), unembedding="lm_head.decoder", tied=True),
    notes="BERT's post-norm blocks; positions count from pad_token_id + 1 and skip padding; "
    "lm_head.dense and lm_head.layer_norm stand before the unembedding",
)
def roberta(folder: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=72,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=66,
        type_vocab_size=1,
        **MARKS,
    )
    save(folder, transformers.RobertaForMaskedLM(config), tokenizer("<bos> $A <eos>"))
