"""BART: post-norm towers with learned positions."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.families import Facts, Tower, family
from tests.families.parts import BOS, EOS, PAD, VOCABULARY, save, tokenizer

TOWER: dict[str, Any] = {
    "layers": 3,
    "heads": 4,
    "kv_heads": 4,
    "head_dim": 12,
    "width": 48,
    "norm": "post",
    "positions": "learned",
    "attention": "self_attn",
    "mlp_write": "fc2",
    "projection": "self_attn.out_proj",
    "neurons": "fc2",
}
TOWERS = (
    Tower(
        "encoder",
        blocks="model.encoder.layers",
        mlp=72,
        norms=("self_attn_layer_norm", "final_layer_norm"),
        causal=False,
        **TOWER,
    ),
    Tower(
        "decoder",
        blocks="model.decoder.layers",
        mlp=80,
        norms=("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
        cross="encoder_attn",
        cross_projection="encoder_attn.out_proj",
        **TOWER,
    ),
)


@family(
    "bart",
    kind="encoder-decoder",
    facts=Facts(TOWERS, tied=True, logit_bias="final_logits_bias"),
    notes="the embeddings of each tower are normalised; position 0 is row 2 of the table",
)
def bart(folder: Path) -> None:
    config = transformers.BartConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=64,
        d_model=48,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=72,
        decoder_ffn_dim=80,
        dropout=0.0,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=EOS,
        forced_eos_token_id=None,
    )
    model = transformers.BartForConditionalGeneration(config)
    model.final_logits_bias.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    save(folder, model, tokenizer("<bos> $A <eos>"))
