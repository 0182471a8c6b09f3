"""Plain PyTorch hooks on attention heads: the only means by which the model cards measure anything.

A head's output is its slice of the *input* of the attention's output projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


def of_head(head: int, width: int) -> slice:
    """The columns of head `head` in the input of its output projection."""
    return slice(head * width, (head + 1) * width)


@contextmanager
def recorded(projection: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the inputs [batch, positions, width] of a module, one entry a forward pass."""
    seen: list[Tensor] = []
    handle = projection.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def edited(projection: nn.Module, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Feed a module `edit(x)` for its input x [batch, positions, width]; `edit` gets a copy to change."""
    handle = projection.register_forward_pre_hook(lambda _, args: (edit(args[0].clone()), *args[1:]))
    try:
        yield
    finally:
        handle.remove()
