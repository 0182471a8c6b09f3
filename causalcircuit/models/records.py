"""One observed forward pass: what every module was given and gave, cloned at the moment it happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The first call of a module.

    Attributes:
        order: its place among all calls that ended.
        inputs: floating tensors among the arguments, in order, keywords last.
        output: the tensor it returned, or the first of a tuple. calls: how often it was called.
    """

    order: int
    inputs: tuple[Tensor, ...]
    output: Tensor | None
    calls: int = 1


Records = Mapping[nn.Module, Record]


@contextmanager
def recorded(root: nn.Module) -> Iterator[dict[nn.Module, Record]]:
    """The calls of all modules under `root` made inside the block; a module's first call counts."""
    found: dict[nn.Module, Record] = {}
    given: dict[nn.Module, tuple[Tensor, ...]] = {}

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        # Cloned before the call: some families write into what they were given.
        if module not in given:
            given[module] = tuple(_clone(x) for x in (*args, *kwargs.values()) if _floating(x))

    def leave(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        known = found.get(module)
        if known is not None:
            found[module] = replace(known, calls=known.calls + 1)
            return
        made = first_tensor(output)
        found[module] = Record(len(found), given[module], None if made is None else _clone(made))

    handles = [m.register_forward_pre_hook(enter, with_kwargs=True) for m in root.modules()]
    handles += [m.register_forward_hook(leave, with_kwargs=True) for m in root.modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(output: Any) -> Tensor | None:
    """A module's output as a tensor: itself, or the first element of a tuple."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def flat(x: Tensor) -> Tensor:
    """[places, components], whatever axes come before the components."""
    return x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two activations are equal bit for bit, axes before the components aside."""
    a, b = flat(a), flat(b)
    return a.shape == b.shape and bool(torch.equal(a, b))


def _floating(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _clone(x: Tensor) -> Tensor:
    return x.detach().clone(memory_format=torch.contiguous_format)
