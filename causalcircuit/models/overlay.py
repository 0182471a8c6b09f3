"""Nodes that are calculated from a tensor and written back into it: what a dictionary finds there.

All overlays of a tensor look at the value that it has after its own assignments, and what assignments to their nodes
change is added to it. So they are a finer description of the tensor: like a head in a layer, the narrower
assignment is written last. What the tensor is read as afterwards is its `settled` value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from causalcircuit.models.taps import See, Tap, Visit

_SETTLED = "'"


class Overlay(Protocol):
    """A calculation on the tensors of two taps, which may be one."""

    @property
    def reads(self) -> str:
        """The tap whose tensor it calculates from."""

    @property
    def writes(self) -> str:
        """The tap whose tensor it describes."""

    def change(self, read: Tensor, written: Tensor, sees: Mapping[str, See]) -> Tensor | None:
        """What is to be added to `written` [..., components]; `None` where no node is assigned."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeTap(Tap):
    """A node of an overlay, caught where the overlay writes."""

    overlay: Overlay


@dataclass(frozen=True, slots=True, eq=False)
class SettledTap(Tap):
    """A tensor after the assignments to all that was calculated from it."""

    base: str


def settled(name: str) -> str:
    """The name of a tensor's settled value."""
    return f"{name}{_SETTLED}"


def unsettled(name: str) -> str:
    """The name of the tensor that a settled value is of; any other name itself."""
    return name.removesuffix(_SETTLED)


@contextmanager
def tapped(taps: Iterable[Tap], visit: Visit, silent: Collection[str] = ()) -> Iterator[dict[str, int]]:
    """Let `visit` see and replace the tensors of `taps` in the passes made inside the block.

    Yields how often each tap fired. The hooks go away even when a pass fails.

    Args:
        taps: in order of computation: where two share a module, hooks run in this order.
        visit: what to do; returning the same tensor changes nothing.
        silent: taps that overlays need, and that are not visited themselves.
    """
    used = list(taps)
    fired = {tap.name: 0 for tap in used if tap.name not in silent}
    does = _layered(used, {t.name: _seeing(t, visit, fired) for t in used if t.name in fired})
    with ExitStack() as stack:
        for tap in reversed([t for t in used if t.name in does]):  # each goes before the hooks that are there
            stack.enter_context(tap.attach(does[tap.name]))
        yield fired


def _seeing(tap: Tap, visit: Visit, fired: dict[str, int]) -> See:
    def see(value: Tensor) -> Tensor:
        fired[tap.name] += 1
        # A pattern keeps its axes, also where it has as many keys as heads.
        whole = tap.name.endswith(".pattern") or value.shape[-1] != tap.size
        flat = value if whole else value.reshape(-1, value.shape[-1])
        new = visit(tap.name, flat)
        return value if new is flat else new.reshape(value.shape)

    return see


def needed(taps: Mapping[str, Tap], wanted: Collection[str]) -> set[str]:
    """The taps that must be attached for the `wanted` ones to be seen: overlays hang on others."""
    found = set(wanted)
    for name in wanted:
        tap = taps.get(name)
        if isinstance(tap, NodeTap):
            found |= {tap.overlay.reads, tap.overlay.writes}
        elif isinstance(tap, SettledTap):
            found.add(tap.base)
    return found


def _layered(taps: list[Tap], sees: Mapping[str, See]) -> dict[str, See]:
    """What each plain tap does, with the overlays that read or write its tensor."""
    overlays = list(dict.fromkeys(t.overlay for t in taps if isinstance(t, NodeTap)))
    held: dict[Overlay, Tensor] = {}
    return {t.name: _at(t.name, overlays, held, sees) for t in taps if not isinstance(t, NodeTap | SettledTap)}


def _at(name: str, overlays: list[Overlay], held: dict[Overlay, Tensor], sees: Mapping[str, See]) -> See:
    own = sees.get(name)
    reading = [o for o in overlays if o.reads == name]
    writing = [o for o in overlays if o.writes == name]
    last = sees.get(settled(name))

    def see(value: Tensor) -> Tensor:
        new = value if own is None else own(value)
        for o in reading:
            held[o] = new
        changes = [c for o in writing if (c := o.change(held[o], new, sees)) is not None]
        for change in changes:
            new = new + change
        return new if last is None else last(new)

    return see
