"""How long the texts of a model may be."""

from __future__ import annotations

from typing import Any

from torch import nn


def longest_text(hf: Any) -> int | None:
    """How many tokens a model has positions for, where that is limited.

    Families that count positions from after the number of their padding, as RoBERTa does, never use those before.
    """
    config = hf.config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "n_positions", "n_ctx", "max_target_positions")
    said = next((v for n in names if isinstance(v := getattr(config, n, None), int)), None)
    if said is None:
        return None
    for name, module in hf.named_modules():
        places = isinstance(module, nn.Embedding) and module.num_embeddings == said and "position" in name
        if places and module.padding_idx is not None:
            return said - int(module.padding_idx) - 1
    return said
