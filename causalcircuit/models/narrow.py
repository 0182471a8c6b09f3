"""Leaving out what nobody reads: the last block's MLP and output projection at positions that no logit is read from.

Both work position by position, so they are handed the wanted positions alone; what they add to the stream elsewhere is
zero. Attention still sees all positions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.moments import Moment, moments_of
from causalcircuit.models.taps import replaced, stream_argument
from causalcircuit.models.unembedding import unembedding

_BEFORE = ("", "attn.in", "q", "k", "v", "pattern", "z")
"""Tensors of the last block that come before anything that is left out."""


@contextmanager
def narrowed(model: LoadedModel, wanted: Sequence[int], taps: Collection[str]) -> Iterator[None]:
    """Passes inside the context compute the last block's position-wise parts at `wanted` flat places only.

    Args:
        model: whose passes; its logits have positions.
        wanted: places of the readout tower's stream, [items · positions] flattened.
        taps: tensors that are seen in these passes: parts that they show are left whole.
    """
    number, last = len(model.stacks) - 1, len(model.stacks[-1].blocks) - 1
    block = model.stacks[-1].blocks[-1]

    def before(m: Moment | None) -> bool:
        return m is not None and ((m.tower, m.layer) < (number, last) or (m.layer == last and m.part in _BEFORE))

    with ExitStack() as held:
        if all(before(m) for m in moments_of(model, taps)):
            places = torch.tensor(wanted, device=model.device)
            held.enter_context(_only(block.attention.projection, block.attention.projection, places))
            held.enter_context(_only(block.reads, block.mlp.module, places))
        yield


@contextmanager
def packed(model: LoadedModel) -> Iterator[None]:
    """Passes inside the context hand the unembedding its columns packed.

    On a CPU, a slice of columns is multiplied item by item, each time with all of its weights.
    """
    head = unembedding(model.hf)
    if head is None:
        yield
        return

    def pack(_: nn.Module, args: tuple[Any, ...]) -> Any:
        return tuple(a.contiguous() if isinstance(a, Tensor) else a for a in args)

    handle = head.register_forward_pre_hook(pack)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _only(reads: nn.Module, writes: nn.Module, places: Tensor) -> Iterator[None]:
    """From what `reads` is given to what `writes` returns, only some places are computed."""
    shape: list[torch.Size] = []

    def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value, put = stream_argument(args, kwargs)
        shape[:] = [value.shape]
        return put(value.reshape(-1, value.shape[-1]).index_select(0, places.to(value.device))[None])

    def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        part = output[0] if isinstance(output, tuple) else output
        full = part.new_zeros((*shape[0][:-1], part.shape[-1]))
        full.view(-1, part.shape[-1]).index_copy_(0, places.to(part.device), part.reshape(-1, part.shape[-1]))
        return replaced(output, full)

    handles = [
        reads.register_forward_pre_hook(on_input, with_kwargs=True),
        writes.register_forward_hook(on_output),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
