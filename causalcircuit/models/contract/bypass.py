"""Whether anything reads a tensor behind its tap's back: then an assignment would be known to some readers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from causalcircuit.models.contract.close import gap, tolerance
from causalcircuit.models.records import first_tensor, flat
from causalcircuit.models.taps import ModuleTap, Tap, stream_argument

_OWN = (".z", ".neurons")
"""Inputs that only their module reads, as a stream only its tap. What attention or the MLP is given may be read by
both: it is one norm's output."""


@contextmanager
def originals(taps: Mapping[str, Tap], names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The very tensors that modules hand on, before any tap replaces them. Enter it after the taps are attached."""
    found: dict[str, Tensor] = {}
    handles = [hook for name in names if (hook := _hook(taps[name], found)) is not None]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _hook(tap: Tap, found: dict[str, Tensor]) -> Any:
    if not isinstance(tap, ModuleTap):
        return None

    def keep(value: Tensor | None) -> None:
        if value is not None and value.requires_grad:
            found.setdefault(tap.name, value)

    def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep(stream_argument(args, kwargs)[0])

    def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        keep(first_tensor(output))

    if tap.side == "out":
        return tap.module.register_forward_hook(on_output, prepend=True)
    if tap.name.endswith(_OWN) or tap.name.rpartition(".")[2].startswith("resid["):
        return tap.module.register_forward_pre_hook(on_input, with_kwargs=True, prepend=True)
    return None


def bypassed(whole: Mapping[str, Tensor | None], reached: Callable[[str], Tensor | None]) -> Iterator[str]:
    """The tensors on which the output depends otherwise than on what their taps write.

    Args:
        whole: gradients with respect to the tensors themselves. reached: with respect to what is written.
    """
    for name, own in whole.items():
        if own is None or not bool(own.any()):
            continue
        written = reached(name)
        if written is None or gap(flat(own).reshape(written.shape), written) > tolerance(own.dtype):
            yield name
