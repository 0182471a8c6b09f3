"""Sizes and facts of the decoders that are built as Llama is."""

from __future__ import annotations

from typing import Any

from tests.families import Tower
from tests.families.parts import BOS, EOS, PAD, VOCABULARY

MARKS: dict[str, Any] = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    **MARKS,
}
"""Heads of 16; with `WIDE`, of 24, so that heads side by side are wider than the stream."""
WIDE: dict[str, Any] = {"head_dim": 24}

TOWER: dict[str, Any] = {
    "name": "decoder",
    "blocks": "model.layers",
    "layers": 3,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 24,
    "width": 64,
    "mlp": 80,
    "norm": "pre",
    "positions": "rotary",
    "rotary_dims": 24,
    "attention": "self_attn",
    "mlp_write": "mlp",
    "projection": "self_attn.o_proj",
    "norms": ("input_layernorm", "post_attention_layernorm"),
    "neurons": "mlp.down_proj",
    "final_norm": "model.norm",
}
CASTS = "RMS norms, rotary angles and the eager softmax are computed in float32: float64 is accurate to 1e-7 only"


def tower(**different: Any) -> Tower:
    """Llama's tower, but for what is given."""
    return Tower(**{**TOWER, **different})
