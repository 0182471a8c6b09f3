"""Resuming a pass: earlier blocks, and earlier positions, are what they were in a pass that was recorded.

The model's own forward runs, so masks, rotations and whatever else it makes on the way are its own; only the `forward`
of blocks whose input cannot have changed is replaced by a look-up. Towers that are computed before are replaced as a
whole, block by block. Positions before a column of the batch come from the model's own cache of keys and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from causalcircuit.models.contract.places import count_of
from causalcircuit.models.feed import Batch, Feed, Stream
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.roles import Block
from causalcircuit.models.taps import Visit


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the blocks of all towers returned in one pass.

    Attributes:
        batch: what was run, of the items `feeds`. logits: what the model gave. outputs: by block.
        mixed: by block, what its attention gave before the output projection.
        cache: keys and values of all layers, where they were asked for.
    """

    batch: Batch
    feeds: tuple[Feed, ...]
    logits: Tensor
    outputs: dict[nn.Module, Any]
    mixed: dict[nn.Module, _Mixed]
    cache: Any = None

    @property
    def columns(self) -> int:
        """Positions of its padded texts; 0 without a text."""
        return next((v.shape[1] for k, v in self.batch.keywords.items() if k.endswith("input_ids")), 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """What an attention core gave: heads side by side, and the rest of its output."""

    heads: Tensor
    rest: tuple[Any, ...] | None


def record(
    model: LoadedModel,
    feeds: Sequence[Feed],
    batch: Batch | None = None,
    taps: Iterable[str] = (),
    visit: Visit | None = None,
    *,
    cache: bool = False,
) -> Trace:
    """A pass with the outputs of all blocks kept.

    Args:
        model: whose pass. feeds: the items. batch: the same, joined, where that is done.
        taps, visit: as of `LoadedModel.forward`; what is assigned is part of the trace.
        cache: whether keys and values are kept too, in the model's own cache, where that holds all positions.

    Returns:
        The trace; its memory is that of two streams for each block, twice that with the cache.
    """
    batch = batch or model.batch(feeds)
    outputs: dict[nn.Module, Any] = {}
    kept = DynamicCache(config=model.hf.config.get_text_config(decoder=True)) if cache else None
    run = batch
    if kept is not None:
        run = replace(batch, keywords={**batch.keywords, **_kept(kept)})

    def keep(block: nn.Module, _: Any, output: Any) -> None:
        outputs[block] = output

    mixed: dict[nn.Module, _Mixed] = {}
    with ExitStack() as stack:
        for tower in model.stacks:
            for block in tower.blocks:
                stack.callback(block.module.register_forward_hook(keep).remove)
                stack.enter_context(_watched(block, mixed))
        logits = model.forward(run, taps, visit or _same)
    trace = Trace(batch, tuple(feeds), logits, outputs, mixed, kept)
    return trace if kept is None or _holds_all(trace) else replace(trace, cache=None)


@contextmanager
def _watched(block: Block, found: dict[nn.Module, _Mixed]) -> Iterator[None]:
    """Keep what a block's attention mixes, where its output is that and nothing more."""
    core, projection = block.attention.core, block.attention.projection
    heads: list[Tensor] = []
    projected: list[Tensor] = []

    def on_projection(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        heads.append(args[0])
        projected.append(output)

    def on_core(_: nn.Module, args: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) else output
        rest = output[1:] if isinstance(output, tuple) else None
        if not _inside(block):
            found[block.module] = _Mixed(value, rest)
        elif len(heads) == 1 and value.shape == projected[0].shape and torch.equal(value, projected[0]):
            found[block.module] = _Mixed(heads[0], rest)

    handles = [projection.register_forward_hook(on_projection), core.register_forward_hook(on_core)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inside(block: Block) -> bool:
    """Whether the core itself holds its output projection."""
    return any(m is block.attention.projection for m in block.attention.core.modules())


def _holds_all(trace: Trace) -> bool:
    """Whether the cache has every position of every layer: a window that has slid has not."""
    layers = trace.cache.layers
    whole = (isinstance(x, DynamicLayer) and x.is_initialized and x.keys.shape[-2] == trace.columns for x in layers)
    return all(whole) and not any(x.is_sliding and x.sliding_window <= trace.columns for x in layers)


def has_prefix(model: LoadedModel) -> bool:
    """Whether earlier positions may come from a cache: the model is a plain decoder that takes one."""
    takes = model.takes
    plain = len(model.stacks) == 1 and model.sites.channels == ("input",) and not takes.text
    return plain and model.sites.readout_tower.causal and {"past_key_values", "use_cache"} <= takes.names


def rebatched(model: LoadedModel, trace: Trace, items: Sequence[int], first: int = 0) -> Batch:
    """Items of a trace again, each as often as it is named, from the column `first` of their texts on."""
    made: dict[str, Any] = {}
    index = torch.tensor(items, device=model.device)
    for name, value in trace.batch.keywords.items():
        if trace.feeds and name in trace.feeds[0].media:
            ends = [0, *accumulate(len(f.media[name]) for f in trace.feeds)]
            made[name] = torch.cat([value[ends[i] : ends[i + 1]] for i in items])
        else:
            whole = value.index_select(0, index)
            made[name] = whole if not first or "mask" in name else whole[:, first:]
    streams: dict[str, Stream] = {}
    for name, stream in trace.batch.streams.items():
        if stream.total is not None:
            sizes = [count_of(model, trace.feeds[i], name) for i in items]
            ends = [0, *accumulate(sizes)]
            streams[name] = Stream(tuple(ends[:-1]), (0,) * len(items), ends[-1])
        else:
            length = stream.length - first
            shifts = [stream.columns[i] for i in items]
            starts = tuple(k * length + s - first for k, s in enumerate(shifts))
            streams[name] = Stream(starts, tuple(shifts), length=length)
    left = tuple(trace.batch.left[i] - first for i in items) if trace.batch.left else ()
    return Batch(made, len(items), streams, left)


@contextmanager
def resumed(
    model: LoadedModel,
    trace: Trace,
    items: Sequence[int],
    tower: int,
    layer: int,
    first: int = 0,
    *,
    attended: bool = False,
) -> Iterator[dict[str, Any]]:
    """Passes inside the context start at block `layer` of the `tower`-th stack.

    Args:
        model: whose passes.
        trace: a pass over items that are fed the same.
        items: for each item of the passes to come, the item of the trace that it repeats.
        tower: number of the stack in order of computation. layer: its first block that runs.
        first: the first column that is computed, as of `rebatched`.
        attended: whether that block's attention too gives what it gave, up to its output projection.

    Yields:
        Keywords that the one pass inside the context needs besides those of its batch.
    """
    before = [b.module for s in model.stacks[:tower] for b in s.blocks]
    own = [b.module for b in model.stacks[tower].blocks[:layer]]
    names = {b.module: s.tower.name for s in model.stacks for b in s.blocks}
    places: dict[str, Tensor] = {}
    for name in {names[m] for m in (*before, *own)} | {model.stacks[tower].tower.name}:
        stream = trace.batch.streams[name]
        places[name] = torch.tensor(
            [stream.starts[i] + p for i in items for p in range(_width(model, trace, name, i))], device=model.device
        )
    index = torch.tensor(items, device=model.device)

    def again(value: Any, name: str) -> Any:
        made = _chosen(value, index, trace.batch.size, places[name])  # a copy: blocks may add in place
        return _later(made, first, trace.columns) if first else made

    # In the tower that is read from, a block is read by the next one only, which is replaced too: the last one counts,
    # and the others hand on what has the same form.
    alike = len(own) if tower == len(model.stacks) - 1 else 0
    with ExitStack() as stack:
        for block in (*before, *(own[-1:] if alike else own)):
            made = again(trace.outputs[block], names[block])
            stack.enter_context(_returning(block, made))
        for block in own[:-1] if alike else ():
            stack.enter_context(_returning(block, made))
        blocks = model.stacks[tower].blocks
        if attended and layer < len(blocks) and blocks[layer].module in trace.mixed:
            mixed = trace.mixed[blocks[layer].module]
            name = model.stacks[tower].tower.name
            heads, rest = again(mixed.heads, name), again(mixed.rest, name)
            stack.enter_context(_returning_of(blocks[layer], heads, rest))
        yield {} if not first else _prefix(model, trace, index, first)


def _prefix(model: LoadedModel, trace: Trace, index: Tensor, first: int) -> dict[str, Any]:
    """Keys and values of the columns before `first`."""
    cache = DynamicCache(config=model.hf.config.get_text_config(decoder=True))
    cache.layers[:] = [_Earlier(kept, index, first) for kept in trace.cache.layers]
    return _kept(cache)


class _Earlier(DynamicLayer):  # type: ignore[misc]
    """Keys and values of earlier columns, of the items of a trace; joined with those of a pass when that asks."""

    def __init__(self, kept: Any, index: Tensor, first: int) -> None:
        super().__init__()
        self.is_sliding = kept.is_sliding
        self.is_initialized = True
        self._kept, self._index, self._first = kept, index, first

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Both of all columns; nothing is kept, since the pass makes one step."""
        return self._joined(self._kept.keys, key_states), self._joined(self._kept.values, value_states)

    def _joined(self, kept: Tensor, new: Tensor) -> Tensor:
        return torch.cat([kept[:, :, : self._first].index_select(0, self._index.to(kept.device)), new], dim=-2)

    def get_seq_length(self) -> int:
        """The columns that are there before the pass."""
        return self._first

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many keys a pass sees, and where they start."""
        return self._first + query_length, 0


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
            return output.index_select(0, index.to(output.device))
        if len(places) and output.ndim == 2:
            return output.index_select(0, places.to(output.device))
        if len(places) and output.ndim == 3:  # tiles: several lines an item
            flat = output.reshape(-1, output.shape[-1]).index_select(0, places.to(output.device))
            return flat.reshape(-1, *output.shape[1:])
        return output
    if isinstance(output, tuple):
        return tuple(_chosen(x, index, size, places) for x in output)
    return output


def _later(output: Any, first: int, columns: int) -> Any:
    """The columns of an output from `first` on."""
    if isinstance(output, tuple):
        return tuple(_later(x, first, columns) for x in output)
    if isinstance(output, Tensor) and output.ndim == 3 and output.shape[1] == columns:
        return output[:, first:]
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


@contextmanager
def _returning_of(block: Block, heads: Tensor, rest: tuple[Any, ...] | None) -> Iterator[None]:
    """A block whose attention gives what it mixed; its output projection runs, with its hooks."""
    core, projection = block.attention.core, block.attention.projection
    inside = _inside(block)

    def forward(*_: Any, **__: Any) -> Any:
        value = projection(heads.contiguous()) if inside else heads
        return value if rest is None else (value, *rest)

    core.forward = forward
    try:
        yield
    finally:
        del core.__dict__["forward"]


def _kept(cache: Any) -> dict[str, Any]:
    return {"past_key_values": cache, "use_cache": True}


def _same(_: str, tensor: Tensor) -> Tensor:
    return tensor
