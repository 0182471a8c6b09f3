"""Where the tensors of GPT-2 and ViT stand, by hand: module names written out, nothing discovered.

A *point* is a tensor of one tower of one forward pass, named like `decoder.attn.out 1`. `record` runs a model once with
a hook at every point; a hook first lets the caller change the tensor, then keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel, VisionEncoderDecoderModel

from causalcircuit.query import Address

Change = Callable[[str, Tensor], Tensor]
"""What a point's tensor [1, positions, width] becomes; itself where nothing is assigned."""


def locate(model: nn.Module, address: Address) -> tuple[str, int, int | None]:
    """The point that an address stands for, and the half-open range of its components (`None`: to the end)."""
    steps = [(p.name, p.index) for p in address.path]
    tower = ""
    if isinstance(model, VisionEncoderDecoderModel):
        tower = f"{steps.pop(0)[0]}."
    match steps:
        case [("embed", _)]:
            return f"{tower}resid 0", 0, None
        case [("final_norm", _)]:
            return f"{tower}final_norm", 0, None
        case [("out", _)] if tower == "encoder.":
            return "encoder.final_norm", 0, None
        case [("layer", int(i)), ("resid_in", _)]:
            return f"{tower}resid {i}", 0, None
        case [("layer", int(i)), ("resid", _)]:
            return f"{tower}resid {i + 1}", 0, None
        case [("layer", int(i)), ("resid_mid", _)]:
            return f"{tower}resid_mid {i}", 0, None
        case [("layer", int(i)), (("attn" | "mlp" | "cross") as part, None), (("in" | "out") as end, _)]:
            return f"{tower}{part}.{end} {i}", 0, None
        case [("layer", int(i)), ("mlp", None), ("neuron", int(k))]:
            return f"{tower}neurons {i}", k, k + 1
        case [("layer", int(i)), ("head", int(j)), ("out", _)]:
            d = head_width(model, tower)
            return f"{tower}heads {i}", j * d, (j + 1) * d
        case [("layer", int(i)), ("cross", None), ("head", int(j)), ("out", _)]:
            d = head_width(model, tower)
            return f"{tower}cross.heads {i}", j * d, (j + 1) * d
    raise ValueError(f"no such address here: {address}")


def head_width(model: nn.Module, tower: str) -> int:
    """Numbers that one head writes before the output projection."""
    config = getattr(model.config, tower.removesuffix("."), model.config) if tower else model.config
    return int(config.hidden_size // config.num_attention_heads)


def record(
    model: nn.Module, inputs: dict[str, Tensor], change: Change, mid_changes: set[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """One forward pass of one row.

    Args:
        model: GPT-2, or a ViT with a GPT-2 decoder.
        inputs: what its forward takes, a batch of one.
        change: called at every point, in the order of computation.
        mid_changes: the points `resid_mid …` that `change` changes.

    Returns:
        logits [positions, vocabulary], and each point's tensor [positions, width] as what followed has read it.
    """
    seen: dict[str, Tensor] = {}

    def at(point: str, tensor: Tensor) -> Tensor:
        seen[point] = change(point, tensor.clone())
        return seen[point].clone()

    handles = []
    try:
        for module, kind, hook in _hooks(model, at, seen, mid_changes):
            register = module.register_forward_pre_hook if kind == "in" else module.register_forward_hook
            handles.append(register(hook))
        with torch.no_grad():
            logits = model(**inputs).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    return logits, {point: tensor[0] for point, tensor in seen.items()}


Hook = tuple[nn.Module, str, Callable[..., Any]]


def _hooks(
    model: nn.Module, at: Callable[[str, Tensor], Tensor], seen: dict[str, Tensor], mid_changes: set[str]
) -> Iterator[Hook]:
    def reads(point: str) -> Callable[..., Any]:
        return lambda module, args: (at(point, args[0]), *args[1:])

    def writes(point: str) -> Callable[..., Any]:
        return lambda module, args, out: (at(point, out[0]), *out[1:]) if isinstance(out, tuple) else at(point, out)

    def attention(tower: str, i: int) -> Callable[..., Any]:
        def hook(module: nn.Module, args: Any, out: Any) -> Any:
            before = seen[f"{tower}resid {i}"]
            write = at(f"{tower}attn.out {i}", out[0])
            mid = at(f"{tower}resid_mid {i}", before + write)
            # The block adds `before` itself: what is returned must make that sum the assigned stream.
            return (mid - before if f"{tower}resid_mid {i}" in mid_changes else write, *out[1:])

        return hook

    def gpt2(body: nn.Module, tower: str) -> Iterator[Hook]:
        for i, block in enumerate(body.h):
            yield block, "in", reads(f"{tower}resid {i}")
            yield block.ln_1, "out", writes(f"{tower}attn.in {i}")
            yield block.attn.c_proj, "in", reads(f"{tower}heads {i}")
            yield block.attn, "out", attention(tower, i)
            if hasattr(block, "crossattention"):
                yield block.crossattention.c_proj, "in", reads(f"{tower}cross.heads {i}")
                yield block.crossattention, "out", writes(f"{tower}cross.out {i}")
            yield block.ln_2, "out", writes(f"{tower}mlp.in {i}")
            yield block.mlp.c_proj, "in", reads(f"{tower}neurons {i}")
            yield block.mlp, "out", writes(f"{tower}mlp.out {i}")
        yield body.h[-1], "out", writes(f"{tower}resid {len(body.h)}")
        yield body.ln_f, "out", writes(f"{tower}final_norm")

    def vit(body: nn.Module, tower: str) -> Iterator[Hook]:
        for i, layer in enumerate(body.layers):
            yield layer, "in", reads(f"{tower}resid {i}")
            yield layer.layernorm_before, "out", writes(f"{tower}attn.in {i}")
            yield layer.attention.o_proj, "in", reads(f"{tower}heads {i}")
            yield layer.attention, "out", attention(tower, i)
            yield layer.layernorm_after, "out", writes(f"{tower}mlp.in {i}")
            yield layer.mlp.fc2, "in", reads(f"{tower}neurons {i}")
            yield layer.mlp, "out", writes(f"{tower}mlp.out {i}")
        yield body.layers[-1], "out", writes(f"{tower}resid {len(body.layers)}")
        yield body.layernorm, "out", writes(f"{tower}final_norm")

    if isinstance(model, VisionEncoderDecoderModel):
        yield from vit(model.encoder, "encoder.")
        yield from gpt2(model.decoder.transformer, "decoder.")
    elif isinstance(model, GPT2LMHeadModel):
        yield from gpt2(model.transformer, "")
    else:
        raise TypeError(f"no hand-written points for {type(model).__name__}")
