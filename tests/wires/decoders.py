"""GPT-2 and Llama in pieces, from their weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Causal attention of one head."""
    scores = q @ k.T * scale
    scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
    return scores.softmax(-1) @ v


class GPT2:
    """A `GPT2LMHeadModel`."""

    def __init__(self, model: Any) -> None:
        self.body, self.head = model.transformer, model.lm_head
        self.layers, self.heads = model.config.n_layer, model.config.n_head
        self.groups, self.width = self.heads, model.config.n_embd // model.config.n_head

    def embed(self, ids: Tensor) -> Tensor:
        return self.body.wte.weight[ids] + self.body.wpe.weight[: len(ids)]

    def _norm(self, norm: nn.LayerNorm, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)

    def norm1(self, layer: int, x: Tensor) -> Tensor:
        return self._norm(self.body.h[layer].ln_1, x)

    def norm2(self, layer: int, x: Tensor) -> Tensor:
        return self._norm(self.body.h[layer].ln_2, x)

    def last_norm(self, x: Tensor) -> Tensor:
        return self._norm(self.body.ln_f, x)

    def _side(self, layer: int, side: int, head: int, x: Tensor) -> Tensor:
        c = self.body.h[layer].attn.c_attn
        start = side * self.heads * self.width + head * self.width
        return x @ c.weight[:, start : start + self.width] + c.bias[start : start + self.width]

    def q(self, layer: int, head: int, x: Tensor) -> Tensor:
        return self._side(layer, 0, head, x)

    def k(self, layer: int, group: int, x: Tensor) -> Tensor:
        return self._side(layer, 1, group, x)

    def v(self, layer: int, group: int, x: Tensor) -> Tensor:
        return self._side(layer, 2, group, x)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, self.width**-0.5)

    def put(self, layer: int, head: int, z: Tensor) -> Tensor:
        return z @ self.body.h[layer].attn.c_proj.weight[head * self.width : (head + 1) * self.width]

    def bias(self, layer: int) -> Tensor:
        return self.body.h[layer].attn.c_proj.bias

    def neurons(self, layer: int, x: Tensor) -> Tensor:
        mlp = self.body.h[layer].mlp
        return mlp.act(x @ mlp.c_fc.weight + mlp.c_fc.bias)

    def down(self, layer: int, neurons: Tensor) -> Tensor:
        return neurons @ self.body.h[layer].mlp.c_proj.weight

    def down_bias(self, layer: int) -> Tensor:
        return self.body.h[layer].mlp.c_proj.bias

    def logits(self, x: Tensor) -> Tensor:
        return x @ self.head.weight.T


class Llama:
    """A `LlamaForCausalLM` with default rotations."""

    def __init__(self, model: Any) -> None:
        self.body, self.head = model.model, model.lm_head
        c = model.config
        self.layers, self.heads, self.groups = c.num_hidden_layers, c.num_attention_heads, c.num_key_value_heads
        self.width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        self.base = (getattr(c, "rope_parameters", None) or {}).get("rope_theta") or c.rope_theta

    def embed(self, ids: Tensor) -> Tensor:
        return self.body.embed_tokens.weight[ids]

    def _norm(self, norm: Any, x: Tensor) -> Tensor:
        # Its own code casts to float32.
        x = x.float()
        return norm.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)).to(
            norm.weight.dtype
        )

    def norm1(self, layer: int, x: Tensor) -> Tensor:
        return self._norm(self.body.layers[layer].input_layernorm, x)

    def norm2(self, layer: int, x: Tensor) -> Tensor:
        return self._norm(self.body.layers[layer].post_attention_layernorm, x)

    def last_norm(self, x: Tensor) -> Tensor:
        return self._norm(self.body.norm, x)

    def _side(self, layer: int, name: str, head: int, x: Tensor) -> Tensor:
        weight = getattr(self.body.layers[layer].self_attn, name).weight
        return x @ weight[head * self.width : (head + 1) * self.width].T

    def _turn(self, x: Tensor) -> Tensor:
        half = self.width // 2
        # Angles in float32, as its own code has them.
        speed = 1.0 / (self.base ** (torch.arange(0, self.width, 2, dtype=torch.int64).float() / self.width))
        angle = torch.outer(torch.arange(len(x)).float(), speed)
        cos, sin = (torch.cat([f(angle)] * 2, -1).to(x.dtype) for f in (torch.cos, torch.sin))
        return x * cos + torch.cat([-x[:, half:], x[:, :half]], -1) * sin

    def q(self, layer: int, head: int, x: Tensor) -> Tensor:
        return self._turn(self._side(layer, "q_proj", head, x))

    def k(self, layer: int, group: int, x: Tensor) -> Tensor:
        return self._turn(self._side(layer, "k_proj", group, x))

    def v(self, layer: int, group: int, x: Tensor) -> Tensor:
        return self._side(layer, "v_proj", group, x)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.T * self.width**-0.5
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
        return scores.softmax(-1) @ v

    def put(self, layer: int, head: int, z: Tensor) -> Tensor:
        return z @ self.body.layers[layer].self_attn.o_proj.weight[:, head * self.width : (head + 1) * self.width].T

    def bias(self, layer: int) -> float:
        return 0.0

    def neurons(self, layer: int, x: Tensor) -> Tensor:
        mlp = self.body.layers[layer].mlp
        return mlp.act_fn(x @ mlp.gate_proj.weight.T) * (x @ mlp.up_proj.weight.T)

    def down(self, layer: int, neurons: Tensor) -> Tensor:
        return neurons @ self.body.layers[layer].mlp.down_proj.weight.T

    def down_bias(self, layer: int) -> float:
        return 0.0

    def logits(self, x: Tensor) -> Tensor:
        return x @ self.head.weight.T
