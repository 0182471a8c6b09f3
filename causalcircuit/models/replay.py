"""Resuming a pass in a later block: earlier ones return what they returned in a pass that was recorded.

The model's own forward runs, so masks, rotations and whatever else it makes on the way are its own; only the `forward`
of blocks whose input cannot have changed is replaced by a look-up. Towers that are computed before are replaced as a
whole, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from causalcircuit.models.contract.places import count_of
from causalcircuit.models.feed import Batch, Feed
from causalcircuit.models.model import LoadedModel


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the blocks of all towers returned in one pass.

    Attributes:
        batch: what was run, of the items `feeds`. logits: what the model gave. outputs: by block.
    """

    batch: Batch
    feeds: tuple[Feed, ...]
    logits: Tensor
    outputs: dict[nn.Module, Any]


def record(model: LoadedModel, feeds: Sequence[Feed]) -> Trace:
    """A pass without assignments, with the outputs of all blocks kept.

    Returns:
        The trace; its memory is that of one stream for each block.
    """
    batch = model.batch(feeds)
    outputs: dict[nn.Module, Any] = {}

    def keep(block: nn.Module, _: Any, output: Any) -> None:
        outputs[block] = output

    with ExitStack() as stack:
        for tower in model.stacks:
            for block in tower.blocks:
                stack.callback(block.module.register_forward_hook(keep).remove)
        logits = model.forward(batch, (), lambda _, x: x)
    return Trace(batch, tuple(feeds), logits, outputs)


@contextmanager
def resumed(model: LoadedModel, trace: Trace, items: Sequence[int], tower: int, layer: int) -> Iterator[None]:
    """Passes inside the context start at block `layer` of the `tower`-th stack.

    Args:
        model: whose passes.
        trace: a pass over items that are fed the same.
        items: for each item of the passes to come, the item of the trace that it repeats.
        tower: number of the stack in order of computation. layer: its first block that runs.
    """
    frozen = [b.module for s in model.stacks[:tower] for b in s.blocks]
    frozen += [b.module for b in model.stacks[tower].blocks[:layer]]
    names = {b.module: s.tower.name for s in model.stacks for b in s.blocks}
    places: dict[str, Tensor] = {}
    for name in {names[m] for m in frozen}:
        stream = trace.batch.streams[name]
        places[name] = torch.tensor(
            [stream.starts[i] + p for i in items for p in range(_width(model, trace, name, i))], device=model.device
        )
    index = torch.tensor(items, device=model.device)
    whole = list(items) == list(range(trace.batch.size))
    with ExitStack() as stack:
        for block in frozen:
            known = trace.outputs[block]
            made = known if whole else _chosen(known, index, trace.batch.size, places[names[block]])
            stack.enter_context(_returning(block, made))
        yield


def _width(model: LoadedModel, trace: Trace, name: str, item: int) -> int:
    """Positions of an item in a tower's flattened tensors, padding included."""
    tower = model.sites.tower(name)
    if tower.modality != "text":
        return count_of(model, trace.feeds[item], name)
    return 0  # texts have a batch axis of their own


def _chosen(output: Any, index: Tensor, size: int, places: Tensor) -> Any:
    """An output for other items: of every tensor that has the items on its first axis, or all places packed on one."""
    if isinstance(output, Tensor):
        if len(output) == size:
            return output.index_select(0, index)
        if len(places) and output.ndim == 2:
            return output.index_select(0, places)
        if len(places) and output.ndim == 3:  # tiles: several lines an item
            flat = output.reshape(-1, output.shape[-1]).index_select(0, places)
            return flat.reshape(-1, *output.shape[1:])
        return output
    if isinstance(output, tuple):
        return tuple(_chosen(x, index, size, places) for x in output)
    return output


@contextmanager
def _returning(block: nn.Module, output: Any) -> Iterator[None]:
    """A block whose `forward` gives `output`; hooks on it still run."""

    def forward(*_: Any, **__: Any) -> Any:
        return output

    block.forward = forward
    try:
        yield
    finally:
        del block.__dict__["forward"]
