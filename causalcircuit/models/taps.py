"""Taps: where the tensor of a site is observed and assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from causalcircuit.models.roles import Stack

Visit = Callable[[str, Tensor], Tensor]
"""Called with a tensor's canonical name and its value [rows, positions, components]; returns what takes its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """Where one tensor passes: the first input or the output of a module.

    Attributes:
        name: the canonical name of the tensor (`SiteInfo.tensor`).
        module, side: whose input or output it is.
        size: number of components.
        before: for the stream between attention and what follows, which no module returns: the block whose input,
            added to the output of `module` (the attention), gives it.
        reader: the norm that reads that stream, where there is one.
    """

    name: str
    module: nn.Module
    side: Literal["in", "out"]
    size: int
    before: nn.Module | None = None
    reader: nn.Module | None = None


def taps_of(stacks: Iterable[Stack]) -> dict[str, Tap]:
    """The taps of all towers by name, in order of computation."""
    return {tap.name: tap for stack in stacks for tap in _stack_taps(stack)}


def _stack_taps(stack: Stack) -> Iterator[Tap]:
    tower = stack.tower
    prefix = f"{tower.name}." if tower.name else ""
    width, heads = tower.width, tower.heads * tower.head_dim
    for i, block in enumerate(stack.blocks):
        at = f"{prefix}layer[{i}]"
        yield Tap(f"{prefix}resid[{i}]", block.module, "in", width)
        yield Tap(f"{at}.attn.in", block.attention.module, "in", width)
        yield Tap(f"{at}.z", block.attention.projection, "in", heads)
        yield Tap(f"{at}.attn.out", block.attention.module, "out", width)
        yield Tap(f"{at}.resid_mid", block.attention.module, "out", width, before=block.module, reader=block.reader)
        if block.cross is not None:
            yield Tap(f"{at}.cross.z", block.cross.projection, "in", heads)
            yield Tap(f"{at}.cross.out", block.cross.module, "out", width)
        yield Tap(f"{at}.mlp.in", block.mlp, "in", width)
        yield Tap(f"{at}.mlp.neurons", block.last, "in", tower.mlp)
        yield Tap(f"{at}.mlp.out", block.mlp, "out", width)
    yield Tap(f"{prefix}resid[{len(stack.blocks)}]", stack.blocks[-1].module, "out", width)
    yield Tap(f"{prefix}final_norm", stack.norm, "out", width)


@contextmanager
def tapped(taps: Iterable[Tap], visit: Visit) -> Iterator[dict[str, int]]:
    """Let `visit` see and replace the tensors of `taps` in the passes made inside the block.

    Yields how often each tap fired. The hooks go away even when a pass fails.

    Args:
        taps: in order of computation: where two share a module, hooks run in this order.
        visit: what to do; returning the same tensor changes nothing.
    """
    fired: dict[str, int] = {}
    handles: list[RemovableHandle] = []
    try:
        for tap in taps:
            fired[tap.name] = 0
            handles.extend(_attach(tap, visit, fired))
        yield fired
    finally:
        for handle in handles:
            handle.remove()


def _attach(tap: Tap, visit: Visit, fired: dict[str, int]) -> Iterator[RemovableHandle]:
    def see(value: Tensor) -> Tensor:
        fired[tap.name] += 1
        return visit(tap.name, value)

    if tap.before is not None:
        yield from _between(tap, tap.before, see)
    elif tap.side == "in":

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            value, put = stream_argument(args, kwargs)
            new = see(value)
            return None if new is value else put(new)

        yield tap.module.register_forward_pre_hook(on_input, with_kwargs=True)
    else:

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            value = output[0] if isinstance(output, tuple) else output
            new = see(value)
            return None if new is value else _replaced(output, new)

        yield tap.module.register_forward_hook(on_output)


def _between(tap: Tap, block: nn.Module, see: Callable[[Tensor], Tensor]) -> Iterator[RemovableHandle]:
    """The stream after attention, assigned by correcting what attention writes.

    The next norm and the residual path both read `before + attention`, so both see the new stream, to rounding. A norm
    blows rounding up where the new stream hardly varies (a constant: by 1/√ε), so it is handed the stream itself.
    """
    held: list[Tensor] = []
    made: list[Tensor] = []

    def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        held[:] = [stream_argument(args, kwargs)[0]]
        made.clear()

    def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        write = output[0] if isinstance(output, tuple) else output
        stream = write + held[0]
        new = see(stream)
        if new is stream:
            return None
        made[:] = [new]
        # Untouched entries keep their bits: the difference of a sum would round.
        return _replaced(output, torch.where(new == stream, write, new - held[0]))

    def on_read(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not made:
            return None
        return stream_argument(args, kwargs)[1](made[0])

    yield block.register_forward_pre_hook(on_input, with_kwargs=True)
    yield tap.module.register_forward_hook(on_output)
    if tap.reader is not None:
        yield tap.reader.register_forward_pre_hook(on_read, with_kwargs=True)


def stream_argument(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Tensor, Callable[[Tensor], tuple[tuple[Any, ...], dict[str, Any]]]]:
    """The stream that a module is given, and how to give it another one."""
    if args and isinstance(args[0], Tensor):
        return args[0], lambda new: ((new, *args[1:]), dict(kwargs))
    return kwargs["hidden_states"], lambda new: (args, {**kwargs, "hidden_states": new})


def _replaced(output: Any, new: Tensor) -> Any:
    return (new, *output[1:]) if isinstance(output, tuple) else new
