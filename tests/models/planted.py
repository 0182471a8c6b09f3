"""Faulty taps, as a bug would make them: each sees or writes something else than it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from causalcircuit.models import LoadedModel
from causalcircuit.models.taps import ModuleTap, See, Tap


@dataclass(frozen=True, slots=True, eq=False)
class Bent(Tap):
    """A tap that works as another one, with `bend` between it and the visitor."""

    inner: Tap
    bend: Callable[[See, Tensor], Tensor]

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        with self.inner.attach(lambda value: self.bend(see, value)):
            yield


@dataclass(frozen=True, slots=True, eq=False)
class Several(Tap):
    """A tap attached so often, or to several places."""

    inner: tuple[Tap, ...]

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        with ExitStack() as stack:
            for tap in self.inner:
                stack.enter_context(tap.attach(see))
            yield


@dataclass(frozen=True, slots=True, eq=False)
class Beside(Tap):
    """A tap whose changes reach another one's tensor, too, which is calculated after it."""

    inner: Tap
    other: Tap

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        changes: list[Tensor] = []

        def own(x: Tensor) -> Tensor:
            new = see(x)
            changes[:] = [new - x]
            return new

        with self.inner.attach(own), self.other.attach(lambda x: x + changes[0].mean(-1, keepdim=True)):
            yield


class _Scaled(torch.autograd.Function):
    """The same numbers, another gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.factor, None


def rolled(by: int, axis: int = -1) -> Callable[[See, Tensor], Tensor]:
    """What stands `by` places further along an axis."""

    def bend(see: See, x: Tensor) -> Tensor:
        seen = x.roll(-by, axis).contiguous()
        new = see(seen)
        return x if new is seen else new.roll(by, axis).contiguous()

    return bend


def written(change: Callable[[Tensor], Tensor]) -> Callable[[See, Tensor], Tensor]:
    """`change` on the way back, where something is written."""

    def bend(see: See, x: Tensor) -> Tensor:
        new = see(x)
        return x if new is x else change(new)

    return bend


def always(change: Callable[[Tensor], Tensor]) -> Callable[[See, Tensor], Tensor]:
    """`change` on the way back, even where nothing is written."""
    return lambda see, x: change(see(x))


def on_copy(see: See, x: Tensor) -> Tensor:
    """Shown, and what comes back thrown away."""
    see(x.clone())
    return x


def half(see: See, x: Tensor) -> Tensor:
    """Half of the change is written."""
    new = see(x)
    return x if new is x else x + (new - x) / 2


detached = written(lambda x: x.detach())
steeper = written(lambda x: _Scaled.apply(x, 1.5))
nudged = always(lambda x: x + 1e-7 * x)
coarse = always(lambda x: x.float().to(x.dtype))


def bent(model: LoadedModel, name: str, bend: Callable[[See, Tensor], Tensor]) -> LoadedModel:
    """The model with a tap bent."""
    tap = model.taps[name]
    return with_tap(model, Bent(tap.name, tap.size, tap.stand, tap, bend))


def twice(model: LoadedModel, name: str, *others: Tap) -> LoadedModel:
    """The model with a tap attached twice, or to others as well."""
    tap = model.taps[name]
    return with_tap(model, Several(tap.name, tap.size, tap.stand, (tap, *(others or (tap,)))))


def beside(model: LoadedModel, name: str, other: str) -> LoadedModel:
    """The model with a tap that changes another tensor, too."""
    tap = model.taps[name]
    return with_tap(model, Beside(tap.name, tap.size, tap.stand, tap, model.taps[other]))


def nowhere(model: LoadedModel, name: str) -> LoadedModel:
    """The model with a tap that is attached to nothing."""
    tap = model.taps[name]
    return with_tap(model, Several(tap.name, tap.size, tap.stand, ()))


def moved(model: LoadedModel, name: str, **changed: Any) -> LoadedModel:
    """The model with one tap set on another place: a path of a module, a side."""
    placed = {what: module_at(model, to) if isinstance(to, str) else to for what, to in changed.items()}
    return with_tap(model, replace(model.taps[name], **placed))


def hooked(model: LoadedModel, name: str, path: str, side: str) -> LoadedModel:
    """The model with a tap set on a module's input or output."""
    tap = model.taps[name]
    return with_tap(model, ModuleTap(name, tap.size, tap.stand, module_at(model, path), side))  # type: ignore[arg-type]


def as_other(model: LoadedModel, name: str, other: str) -> LoadedModel:
    """The model with one tap where another one is."""
    return with_tap(model, replace(model.taps[other], name=name))


def swapped(model: LoadedModel, name: str, other: str) -> LoadedModel:
    """The model with two taps each where the other one is."""
    return with_tap(as_other(model, name, other), replace(model.taps[name], name=other))


def with_tap(model: LoadedModel, tap: Tap) -> LoadedModel:
    return replace(model, taps={name: tap if name == tap.name else other for name, other in model.taps.items()})


def module_at(model: LoadedModel, path: str) -> nn.Module:
    found: nn.Module = model.hf.get_submodule(path)
    return found
