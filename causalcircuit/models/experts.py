"""Routers and experts of a mixture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from causalcircuit.models.taps import See, Tap


@dataclass(frozen=True, slots=True, eq=False)
class RouterTap(Tap):
    """The router's logits [places, experts], caught where they are calculated: what it returns is not read again."""

    router: nn.Module

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        before, own = self.router.forward, self.router.__dict__.get("forward")

        def forward(*args: Any, **kwargs: Any) -> Any:
            with _FirstLinear(self.size, see):
                return before(*args, **kwargs)

        self.router.forward = forward
        try:
            yield
        finally:
            if own is None:
                del self.router.__dict__["forward"]
            else:
                self.router.forward = own


class _FirstLinear(TorchFunctionMode):
    """Shows the first linear map onto `size` numbers to `see`."""

    def __init__(self, size: int, see: See) -> None:
        super().__init__()
        self._size, self._see, self._done = size, see, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is functional.linear and out.shape[-1] == self._size and not self._done:
            self._done = True
            return self._see(out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class ExpertTap(Tap):
    """What one expert writes [places, width], its routing weight included; zero where it was not chosen.

    The experts of a mixture are one module with stacked weights, linear in the routing weights: called again with
    all other weights at zero, it gives this expert's part of its sum.
    """

    experts: nn.Module
    number: int

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""

        def on_output(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor | None:
            own = self._own(args, kwargs)
            new = see(own)
            if new is own:
                return None
            return output + (new - own)  # untouched entries keep their bits

        handle = self.experts.register_forward_hook(on_output, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _own(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        index = next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor) and not x.is_floating_point())

        def only(x: Any) -> Any:
            if isinstance(x, Tensor) and x.is_floating_point() and x.shape == index.shape:
                return x * (index == self.number)
            return x

        out: Tensor = self.experts.forward(*map(only, args), **{k: only(v) for k, v in kwargs.items()})
        return out
