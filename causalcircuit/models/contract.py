"""The hook contract, in small: an address is proven when the model is loaded, not hoped for."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from causalcircuit.models.discover import close
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.probe import Probe
from causalcircuit.models.roles import Attention, Stack


class ContractError(RuntimeError):
    """A clause of the contract that the model does not keep."""


def prove(model: LoadedModel, probe: Probe) -> None:
    """Hold every tap against the contract on a probe of rows of different length.

    Observing changes no bit of the logits; every tap passes once; heads through the projection plus its bias are the
    attention's output; stream + attention (+ cross) + MLP is the next stream; writing back what was read changes
    no logit beyond rounding; padding changes none either.

    Raises:
        ContractError: says which clause fails where.
    """
    bare = model.forward(probe.rows, probe.pixels, (), _same)
    seen = _observe(model, probe, bare)
    for clause, holds in _identities(model, seen):
        if not holds:
            raise ContractError(clause)
    again = model.forward(probe.rows, probe.pixels, model.taps, lambda name, _: seen[name].clone())
    if not close(again, bare):
        raise ContractError("writing back the values that were read changes the logits")
    _padding(model, probe, bare)


def _observe(model: LoadedModel, probe: Probe, bare: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    try:
        logits = model.forward(probe.rows, probe.pixels, model.taps, keep)
    except RuntimeError as problem:
        raise ContractError(str(problem)) from None
    if not torch.equal(logits, bare):
        raise ContractError("observing changes the logits")
    for name, value in seen.items():
        if value.ndim != 3 or value.shape[-1] != model.taps[name].size:
            raise ContractError(f"{name} has the shape {tuple(value.shape)}")
    return seen


def _identities(model: LoadedModel, seen: dict[str, Tensor]) -> Iterator[tuple[str, bool]]:
    for stack in model.stacks:
        yield from _stack_identities(stack, seen)


def _stack_identities(stack: Stack, seen: dict[str, Tensor]) -> Iterator[tuple[str, bool]]:
    prefix = f"{stack.tower.name}." if stack.tower.name else ""
    for i, block in enumerate(stack.blocks):
        at = f"{prefix}layer[{i}]"
        before, after = seen[f"{prefix}resid[{i}]"], seen[f"{prefix}resid[{i + 1}]"]
        heads = _heads(block.attention, seen[f"{at}.z"], stack.tower.heads)
        yield f"{at}: heads + bias = attention", close(heads, seen[f"{at}.attn.out"])
        yield (
            f"{at}: stream + attention = stream between",
            close(before + seen[f"{at}.attn.out"], seen[f"{at}.resid_mid"]),
        )
        total = seen[f"{at}.resid_mid"] + seen[f"{at}.mlp.out"]
        if block.cross is not None:
            heads = _heads(block.cross, seen[f"{at}.cross.z"], stack.tower.heads)
            yield f"{at}: cross-attention heads + bias = cross-attention", close(heads, seen[f"{at}.cross.out"])
            total = total + seen[f"{at}.cross.out"]
        yield f"{at}: stream + attention + MLP = next stream", close(total, after)


def _heads(core: Attention, z: Tensor, heads: int) -> Tensor:
    """The sum of what each head writes, plus the projection's bias."""
    # Conv1D keeps its weight as [in, out], Linear as [out, in].
    weight = core.projection.weight if isinstance(core.projection, Conv1D) else _linear(core.projection).weight.T
    width = z.shape[-1] // heads
    parts = [z[..., h * width : (h + 1) * width] @ weight[h * width : (h + 1) * width] for h in range(heads)]
    bias = core.projection.bias
    total = torch.stack(parts).sum(0)
    return total if not isinstance(bias, Tensor) else total + bias


def _linear(module: nn.Module) -> nn.Linear:
    if not isinstance(module, nn.Linear):
        raise ContractError(f"{type(module).__name__} is no linear projection")
    return module


def _padding(model: LoadedModel, probe: Probe, together: Tensor) -> None:
    if probe.rows is None:
        return
    alone, padded = [], []
    for i, (row, left) in enumerate(zip(probe.rows, model.left(probe.rows), strict=True)):
        pixels = None if probe.pixels is None else probe.pixels[i : i + 1]
        alone.append(model.forward([row], pixels, (), _same)[0])
        padded.append(together[i, left : left + len(row)])
    # Held against each other at once: a row whose logits all cancel has rounding noise for a scale.
    if not close(torch.cat(alone), torch.cat(padded)):
        raise ContractError("padding changes the logits")


def _same(name: str, value: Tensor) -> Tensor:
    return value
