"""A GPT-2 with weights set by hand: its logits, and so every effect, are known in closed form.

Seven rows h1 … h7 of the 8×8 Hadamard matrix are the directions of the stream: entries ±1, mean 0, orthogonal. A
stream Σ cᵢ hᵢ then has mean 0 and variance Σ cᵢ², so that a layer norm only divides by √(Σ cᵢ² + ε).

The model reads words `A`, `B`, then `END`:

- embeddings: A is h1, B is h2, END is h3; positions add nothing;
- layer 0: no scores, so each head averages over the tokens so far. Head 1 reads how much A and B there is,
  α = c·#A/n and β = c·#B/n with c = 1/√(1 + ε), and writes GAIN·α·h4 + GAIN·β·h5. Head 0 reads A too but writes
  nothing; no neuron writes;
- layer 1: no head reads anything; neuron 0 is u = relu(SLOPE·m), m the h4 part of what the MLP reads, and writes
  WRITE·u·h7; neurons 1 to 3 read and write nothing;
- logits: A is the h4 part plus READ times the h7 part of the normed stream, B its h5 part.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import torch
from scipy.linalg import hadamard
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

GAIN, SLOPE, WRITE, READ = 3.0, 2.0, 1.5, -0.75
EPSILON = 1e-5

ROWS = [
    {"clean": "A A B END", "corrupt": "B B A END"},
    {"clean": "A B B A A END", "corrupt": "B B B B A END"},
    {"clean": "A END", "corrupt": "B END"},
    {"clean": "B A B END", "corrupt": "A A A END"},
]

MUTE = [
    "layer[0].head[0].out",
    *(f"layer[0].mlp.neuron[{k}]" for k in range(4)),
    "layer[1].attn.in",
    *(f"layer[1].mlp.neuron[{k}]" for k in range(1, 4)),
]
"""Nodes that write nothing: no value of theirs, at any position, changes a logit."""

DEAF = ["layer[0].mlp.out", *(f"layer[1].head[{j}].out" for j in range(2)), "layer[1].attn.out"]
"""Nodes whose value is 0 on every row and in every world: zero, mean and interchange change nothing."""

READ_AT_LAST = ["layer[0].head[1].out", "layer[0].attn.out", "layer[0].resid", "layer[1].mlp.neuron[0]", "final_norm"]
"""Nodes that change nothing at any position but the last."""


def shares(text: str) -> tuple[float, float]:
    """What head 1 reads at END: (α, β)."""
    words = text.split()
    c = 1 / sqrt(1 + EPSILON)
    return c * words.count("A") / len(words), c * words.count("B") / len(words)


def neuron(alpha: float, beta: float) -> float:
    """Neuron 0 at END where head 1 reads (α, β)."""
    a, b = GAIN * alpha, GAIN * beta
    return max(0.0, SLOPE * a / sqrt(1 + a * a + b * b + EPSILON))


def logits(alpha: float, beta: float, u: float | None = None) -> tuple[float, float]:
    """Logits of A and B after END where head 1 reads (α, β) and neuron 0 is `u` (by itself where `None`)."""
    a, b = GAIN * alpha, GAIN * beta
    w = WRITE * (neuron(alpha, beta) if u is None else u)
    scale = sqrt(1 + a * a + b * b + w * w + EPSILON)
    return (a + READ * w) / scale, b / scale


def write_handmade(folder: Path) -> Path:
    """Save the model and its word-level tokenizer."""
    h = torch.tensor(hadamard(8), dtype=torch.float32)
    config = GPT2Config(
        vocab_size=4,
        n_positions=8,
        n_embd=8,
        n_layer=2,
        n_head=2,
        n_inner=4,
        activation_function="relu",
        layer_norm_epsilon=EPSILON,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        body, first, second = model.transformer, *model.transformer.h
        body.wte.weight.copy_(torch.stack([h[6], h[1], h[2], h[3]]))
        value = 16  # the fused query-key-value projection: columns 16 to 19 are head 0's values, 20 to 23 head 1's
        first.attn.c_attn.weight[:, value] = h[1] / 8
        first.attn.c_attn.weight[:, value + 4 : value + 6] = h[1:3].T / 8
        first.attn.c_proj.weight[4:6] = GAIN * h[4:6]
        first.mlp.c_fc.weight.copy_(_some(8, 4))
        second.attn.c_proj.weight.copy_(_some(8, 8))
        second.mlp.c_fc.weight.copy_(_some(8, 4))
        second.mlp.c_fc.weight[:, 0] = SLOPE * h[4] / 8
        second.mlp.c_proj.weight[0] = WRITE * h[7]
        model.lm_head.weight[1] = (h[4] + READ * h[7]) / 8
        model.lm_head.weight[2] = h[5] / 8
    words = Tokenizer(models.WordLevel({"<end>": 0, "A": 1, "B": 2, "END": 3}, unk_token="<end>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<end>", eos_token="<end>").save_pretrained(folder)
    return folder


def _some(*shape: int) -> Tensor:
    """Weights that are not zero, for nodes that are dead on their other side."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))
