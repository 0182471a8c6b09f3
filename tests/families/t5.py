"""T5: the first version with ReLU, and 1.1 with a gate and an unembedding of its own."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import EOS, PAD, VOCABULARY, save, tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 48,
    "d_kv": 16,
    "d_ff": 72,
    "num_layers": 3,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "dropout_rate": 0.0,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "decoder_start_token_id": PAD,
}
TOWER: dict[str, Any] = {
    "layers": 3,
    "heads": 4,
    "kv_heads": 4,
    "head_dim": 16,
    "width": 48,
    "mlp": 72,
    "norm": "pre",
    "positions": "relative",
    "attention": "layer.0.SelfAttention",
    "projection": "layer.0.SelfAttention.o",
}
TOWERS = (
    Tower(
        "encoder",
        blocks="encoder.block",
        norms=("layer.0.layer_norm", "layer.1.layer_norm"),
        mlp_write="layer.1.DenseReluDense",
        neurons="layer.1.DenseReluDense.wo",
        final_norm="encoder.final_layer_norm",
        causal=False,
        **TOWER,
    ),
    Tower(
        "decoder",
        blocks="decoder.block",
        norms=("layer.0.layer_norm", "layer.1.layer_norm", "layer.2.layer_norm"),
        mlp_write="layer.2.DenseReluDense",
        neurons="layer.2.DenseReluDense.wo",
        final_norm="decoder.final_layer_norm",
        cross="layer.1.EncDecAttention",
        cross_projection="layer.1.EncDecAttention.o",
        **TOWER,
    ),
)
NOTES = "scores are not divided by sqrt(head_dim); the first layer's relative bias serves all layers of its tower; "


@family(
    "t5",
    kind="encoder-decoder",
    facts=Facts(TOWERS, tied=True, logit_multiplier=48**-0.5),
    notes=f"{NOTES}the last stream is multiplied by width^-0.5 before the tied unembedding",
)
def t5(folder: Path) -> None:
    config = transformers.T5Config(**SIZES)
    save(folder, transformers.T5ForConditionalGeneration(config), tokenizer("$A <eos>"))


@family(
    "t5_gated",
    kind="encoder-decoder",
    model_type="t5",
    facts=Facts(TOWERS),
    notes=f"{NOTES}neurons are gelu(wi_0 x) * (wi_1 x); untied by its checkpoint alone: the config still says tied",
)
def t5_gated(folder: Path) -> None:
    config = transformers.T5Config(**SIZES, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    model = transformers.T5ForConditionalGeneration(config)
    # transformers ties whatever the config says, until it meets a checkpoint with two matrices, as those of 1.1 are.
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    save(folder, model, tokenizer("$A <eos>"))
