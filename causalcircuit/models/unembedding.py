"""The module that logits come from."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel


def unembedding(hf: Any) -> nn.Module | None:
    """What maps the last stream to a vocabulary; `None` where nothing does.

    A captioner may leave it to its decoder (BLIP), so the first part that has one is asked, from the outside in.
    """
    for part in hf.modules():
        found = part.get_output_embeddings() if isinstance(part, PreTrainedModel) else None
        if isinstance(found, nn.Module):
            return found
    return None
