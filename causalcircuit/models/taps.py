"""Taps: where the tensor of a site is observed and assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Visit = Callable[[str, Tensor], Tensor]
"""Called with a tensor's canonical name and its value [places, components]; returns what takes its place.

Places are those of `Batch.streams`. An attention pattern is [places, heads, keys]."""
See = Callable[[Tensor], Tensor]
"""The same for one tap, with whatever axes come before the components."""


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """Where one tensor passes. Subclasses say how it is caught.

    Attributes:
        name: the canonical name of the tensor (`SiteInfo.tensor`).
        size: number of components.
        stand: what its places are: a tower's name, or `projector`.
    """

    name: str
    size: int
    stand: str

    def attach(self, see: See) -> AbstractContextManager[None]:
        """Let `see` look at the tensor, and replace it, in every pass made inside the context.

        Raises:
            NotImplementedError: in this base class.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class ModuleTap(Tap):
    """The first input or the output of a module.

    Attributes:
        module, side: whose input or output it is. calls: how often the module is called in a pass; the first counts.
    """

    module: nn.Module
    side: Literal["in", "out"]
    calls: int = 1

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        met = 0

        def counts() -> bool:
            # A call beyond those that are known is seen, so that the tap fires once too often and is refused.
            nonlocal met
            met += 1
            return met == 1 or met > self.calls

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not counts():
                return None
            value, put = stream_argument(args, kwargs)
            new = see(value)
            return None if new is value else put(new)

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if not counts():
                return None
            value = output[0] if isinstance(output, tuple) else output
            new = see(value)
            return None if new is value else replaced(output, new)

        # Before all other hooks: transformers keeps hidden states by hooks of its own, which must see what we write.
        if self.side == "in":
            handle = self.module.register_forward_pre_hook(on_input, with_kwargs=True, prepend=True)
        else:
            handle = self.module.register_forward_hook(on_output, prepend=True)
        try:
            yield
        finally:
            handle.remove()


@dataclass(frozen=True, slots=True, eq=False)
class BetweenTap(Tap):
    """The stream between attention and MLP, which no module returns: assigned by correcting what attention writes.

    The next norm and the residual path both read `before + scale · attention`, so both see the new stream, to
    rounding. A norm blows rounding up where the new stream hardly varies (a constant: by 1/√ε), so it is handed the
    stream itself.

    Attributes:
        block: its input is the stream before. write: its output is what attention adds, times `scale`.
        reader: the norm that reads the stream, where there is one.
    """

    block: nn.Module
    write: nn.Module
    scale: Tensor | float | None
    reader: nn.Module | None

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        held: list[Tensor] = []
        made: list[Tensor] = []

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            held[:] = [stream_argument(args, kwargs)[0]]
            made.clear()

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            write = output[0] if isinstance(output, tuple) else output
            stream = held[0] + (write if self.scale is None else self.scale * write)
            new = see(stream)
            if new is stream:
                return None
            made[:] = [new]
            kept = new == stream
            scale = 1.0 if self.scale is None else self.scale
            # Untouched entries keep their bits: the difference of a sum would round. They keep a gradient too.
            return replaced(output, torch.where(kept, write + (new - stream) / scale, (new - held[0]) / scale))

        def on_read(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not made:
                return None
            value, put = stream_argument(args, kwargs)
            return put(made[0].reshape(value.shape))

        handles = [
            self.block.register_forward_pre_hook(on_input, with_kwargs=True),
            self.write.register_forward_hook(on_output, prepend=True),
        ]
        if self.reader is not None:
            handles.append(self.reader.register_forward_pre_hook(on_read, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def stream_argument(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Tensor, Callable[[Tensor], tuple[tuple[Any, ...], dict[str, Any]]]]:
    """The stream that a module is given, and how to give it another one."""
    if args and isinstance(args[0], Tensor):
        return args[0], lambda new: ((new, *args[1:]), dict(kwargs))
    name = "hidden_states" if "hidden_states" in kwargs else next(k for k, v in kwargs.items() if isinstance(v, Tensor))
    return kwargs[name], lambda new: (args, {**kwargs, name: new})


def replaced(output: Any, new: Tensor) -> Any:
    """A module's output with another tensor in the place of its first."""
    return (new, *output[1:]) if isinstance(output, tuple) else new
