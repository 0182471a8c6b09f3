"""One observed forward pass: what every module was given and gave, cloned at the moment it happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One call of a module.

    Attributes:
        order: its place among all calls that ended.
        inputs: floating tensors among the arguments, in order, keywords last.
        output: the tensor it returned, or the first of a tuple.
        calls: how often the module was called in the pass.
    """

    order: int
    inputs: tuple[Tensor, ...]
    output: Tensor | None
    calls: int = 1


@contextmanager
def recorded(root: nn.Module) -> Iterator[dict[nn.Module, Record]]:
    """The calls of all modules under `root` made inside the block; a module's first call counts."""
    found: dict[nn.Module, Record] = {}

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        before = found.get(module)
        if before is not None:
            found[module] = Record(before.order, before.inputs, before.output, before.calls + 1)
            return
        given = tuple(_clone(x) for x in (*args, *kwargs.values()) if _floating(x))
        made = first_tensor(output)
        found[module] = Record(len(found), given, None if made is None else _clone(made))

    handles = [m.register_forward_hook(keep, with_kwargs=True) for m in root.modules()]
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


def _floating(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _clone(x: Tensor) -> Tensor:
    # A clone, since some families (parallel Falcon) add to a module's output in place after it returned.
    return x.detach().clone(memory_format=torch.contiguous_format)
