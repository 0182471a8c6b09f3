"""Roles found from structure and from one observed pass, without a map of classes.

Blocks are `ModuleList`s of gradient-checkpointing layers; the attention core is the innermost module named
Attention that holds projections; it is a cross-attention where it is also given a stream of another length; the
MLP is what completes `before + attention (+ cross) + MLP = after`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from causalcircuit.models.records import Record
from causalcircuit.models.roles import Attention, Block, Stack
from causalcircuit.query import SiteTable, Tower

Records = Mapping[nn.Module, Record]


class RoleError(ValueError):
    """A part of the model whose role does not show."""


def tolerance(dtype: torch.dtype) -> float:
    """How far an identity between activations may be off, relative to their size.

    Float64 models are often only float32 exact, since norms and softmax cast inside.
    """
    return {torch.float64: 1e-6, torch.float32: 1e-4}.get(dtype, 5e-2)


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two activations agree up to the rounding of their dtype."""
    if a.shape != b.shape:
        return False
    scale = max(float(a.abs().max()), float(b.abs().max()), 1e-12)
    return float((a - b).abs().max()) <= tolerance(a.dtype) * scale


def find_stacks(root: nn.Module, records: Records, table: SiteTable) -> tuple[Stack, ...]:
    """The towers' stacks, in order of computation.

    Args:
        root: the model.
        records: of one pass whose towers have different numbers of positions.
        table: what the config says; the modules must agree.

    Raises:
        RoleError: a role cannot be found, or modules and config disagree.
    """
    lists = [
        m
        for m in root.modules()
        if isinstance(m, nn.ModuleList)
        and len(m) > 0
        and all(isinstance(c, GradientCheckpointingLayer) and c in records for c in m)
    ]
    lists.sort(key=lambda m: records[m[0]].order)
    if len(lists) != len(table.towers):
        raise RoleError(f"{len(lists)} stacks of blocks were found, the config speaks of {len(table.towers)}")
    return tuple(_stack(root, m, t, records) for m, t in zip(lists, table.towers, strict=True))


def _stack(root: nn.Module, blocks: nn.ModuleList, tower: Tower, records: Records) -> Stack:
    found = tuple(_block(f"{tower.name or 'decoder'} block {i}", m, records) for i, m in enumerate(blocks))
    stack = Stack(tower, found, _norm(root, blocks[-1], records))
    _agree(stack, records)
    return stack


def _block(name: str, block: nn.Module, records: Records) -> Block:
    before, after = records[block].inputs[0], _output(block, records)
    cores = sorted(_cores(block, records), key=lambda m: records[m].order)
    cross = [m for m in cores if any(x.ndim == 3 and x.shape[1] != before.shape[1] for x in records[m].inputs)]
    own = [m for m in cores if m not in cross]
    if len(own) != 1 or len(cross) > 1:
        raise RoleError(f"{name} has {len(own)} self-attentions and {len(cross)} cross-attentions")
    between = before + _output(own[0], records)
    if not any(close(x, between) for m in block.modules() if m in records for x in records[m].inputs):
        raise RoleError(f"in {name} nothing reads the stream between attention and MLP (a parallel block?)")
    mid = before + sum(_output(m, records) for m in cores)
    inside = {m for core in cores for m in core.modules()}
    for m in block.modules():  # outermost first
        if m in records and m not in inside and m is not block and not inside & set(m.modules()):
            linear = list(_projections(m, records))
            if len(linear) >= 2 and close(mid + _output(m, records), after):
                return Block(
                    block,
                    Attention(own[0], _projection(name, own[0], records)),
                    Attention(cross[0], _projection(name, cross[0], records)) if cross else None,
                    m,
                    _projection(name, m, records),
                    _reader(block, own[0], before + _output(own[0], records), records),
                )
    raise RoleError(f"in {name} no module completes stream + attention + MLP = next stream")


def _reader(block: nn.Module, core: nn.Module, stream: Tensor, records: Records) -> nn.Module | None:
    """The first leaf after self-attention that is fed the stream it wrote to."""
    inside = set(core.modules())
    later = [
        m
        for m in block.modules()
        if m in records
        and m not in inside
        and not any(True for _ in m.children())
        and records[m].order > records[core].order
        and any(close(x, stream) for x in records[m].inputs)
    ]
    return min(later, key=lambda m: records[m].order, default=None)


def _cores(block: nn.Module, records: Records) -> Iterator[nn.Module]:
    """Innermost modules named Attention that hold projections."""
    for m in block.modules():
        if _attention_like(m) and m in records and not any(_attention_like(c) for c in m.modules() if c is not m):
            yield m


def _attention_like(m: nn.Module) -> bool:
    name = type(m).__name__
    return ("Attention" in name or "Attn" in name) and any(_linear(c) for c in m.children())


def _linear(m: nn.Module) -> bool:
    return isinstance(m, nn.Linear | Conv1D)


def _projections(m: nn.Module, records: Records) -> Iterator[nn.Module]:
    """Linear maps inside `m`, in order of computation."""
    yield from sorted((c for c in m.modules() if _linear(c) and c in records), key=lambda c: records[c].order)


def _projection(name: str, m: nn.Module, records: Records) -> nn.Module:
    """The last linear map inside `m`, which must give what `m` gives."""
    fits = [c for c in _projections(m, records) if torch.equal(_output(c, records), _output(m, records))]
    if not fits:
        raise RoleError(f"in {name} no projection writes the output of {type(m).__name__}")
    return fits[-1]


def _norm(root: nn.Module, last: nn.Module, records: Records) -> nn.Module:
    """The first leaf after the last block that is fed its output."""
    stream = _output(last, records)
    later = [
        m
        for m, r in records.items()
        if r.order > records[last].order
        and not any(True for _ in m.children())
        and any(x.shape == stream.shape and torch.equal(x, stream) for x in r.inputs)
    ]
    if not later:
        raise RoleError("no norm follows the last block")
    return min(later, key=lambda m: records[m].order)


def _agree(stack: Stack, records: Records) -> None:
    """Hold the modules against the config's numbers."""
    tower = stack.tower
    heads = tower.heads * tower.head_dim
    checks: list[tuple[str, int, int]] = [("layers", tower.layers, len(stack.blocks))]
    for block in stack.blocks:
        checks.append(("width", tower.width, records[block.module].inputs[0].shape[-1]))
        checks.append(("neurons", tower.mlp, records[block.last].inputs[0].shape[-1]))
        checks.append(("cross-attentions a block", int(tower.cross), int(block.cross is not None)))
        for core in filter(None, (block.attention, block.cross)):
            checks.append(("heads × head width", heads, records[core.projection].inputs[0].shape[-1]))
            checks.append(("heads", tower.heads, _heads(core.module, tower.heads)))
    for what, said, found in checks:
        if said != found:
            raise RoleError(f"the config says {said} {what}, the modules have {found}")


def _heads(core: nn.Module, default: int) -> int:
    for name in ("num_heads", "num_attention_heads", "n_heads", "n_head"):
        value = getattr(core, name, None)
        if isinstance(value, int):
            return value
    return default


def _output(m: nn.Module, records: Records) -> Tensor:
    output = records[m].output
    if output is None:
        raise RoleError(f"{type(m).__name__} returns no tensor")
    return output
