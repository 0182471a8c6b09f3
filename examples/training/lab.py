"""What both training scripts share: seeding, saving an ordinary checkpoint, reordering attention heads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention
from transformers.utils import logging

TRAINING = Path(__file__).resolve().parent
EXAMPLES = TRAINING.parent


def start(seed: int) -> np.random.Generator:
    """Seed every generator in use, pin torch to one thread, and return numpy's generator.

    One thread, so that the order of floating-point sums, and with it the trained file, is the same
    on every run.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    logging.set_verbosity_error()
    return np.random.default_rng(seed)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write model and tokenizer as a Hugging Face folder whose files anyone may read."""
    out.mkdir(parents=True, exist_ok=True)
    model.eval()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # save_pretrained writes mode 0600
    print(f"saved {out.name}: {(out / 'model.safetensors').stat().st_size / 1e6:.2f} MB of weights")


@torch.no_grad()
def reorder_heads(attention: GPT2Attention, order: Sequence[int]) -> None:
    """Renumber the heads of a GPT-2 self-attention; new head j is old head `order[j]`.

    The module computes the same function: the columns of queries, keys and values and the rows of the
    output projection move together (Conv1D weights are [in, out]).
    """
    if sorted(order) != list(range(attention.num_heads)):
        raise ValueError(f"{list(order)} is no order of {attention.num_heads} heads")
    width = attention.head_dim
    columns = torch.cat([torch.arange(h * width, (h + 1) * width) for h in order])
    fused = torch.cat([columns + part * attention.embed_dim for part in range(3)])
    attention.c_attn.weight.copy_(attention.c_attn.weight[:, fused])
    attention.c_attn.bias.copy_(attention.c_attn.bias[fused])
    attention.c_proj.weight.copy_(attention.c_proj.weight[columns])


def order_with(head: int, place: int, heads: int) -> list[int]:
    """The order of heads that swaps `head` into `place` and leaves the rest."""
    order = list(range(heads))
    order[place], order[head] = order[head], order[place]
    return order
