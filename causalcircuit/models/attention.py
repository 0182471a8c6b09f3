"""Queries, keys, values and patterns of an attention core, caught where they are used.

Most cores look up a function (`ALL_ATTENTION_FUNCTIONS.get_interface`) and hand it queries and keys after their
rotation, so the look-up is wrapped while a tap is attached; no attention of another name is registered, since masks
are built by name. Cores that calculate by themselves are watched by a `TorchFunctionMode` inside their `forward`:
the first product of queries and keys, the softmax, the product with the values. A core that hands its function one
image, or one window, at a time is watched where it splits queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from causalcircuit.models.taps import See, Tap

Which = Literal["q", "k", "v", "pattern"]
_ORDER = {"q": 0, "k": 1, "v": 2}
_listeners: dict[nn.Module, list[tuple[int, Callable[[Tensor], Tensor]]]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class InterfaceTap(Tap):
    """Queries, keys or values [batch, heads, positions, head_dim], as the attention function is given them."""

    core: nn.Module
    which: Which

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        with listening(self.core, _ORDER[self.which], lambda x: _by_position(x, see)):
            yield


@contextmanager
def listening(core: nn.Module, slot: int, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """`change` the slot-th of (query, key, value) wherever `core` calls its attention function."""
    if not _listeners:
        ALL_ATTENTION_FUNCTIONS.get_interface = _wrapped(type(ALL_ATTENTION_FUNCTIONS).get_interface)
    entry = (slot, change)
    _listeners.setdefault(core, []).append(entry)
    try:
        yield
    finally:
        _listeners[core].remove(entry)
        if not _listeners[core]:
            del _listeners[core]
        if not _listeners:
            del ALL_ATTENTION_FUNCTIONS.get_interface


def _wrapped(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def get_interface(*args: Any, **kwargs: Any) -> Any:
        inner = look_up(ALL_ATTENTION_FUNCTIONS, *args, **kwargs)

        def call(module: nn.Module, *given: Any, **options: Any) -> Any:
            values = list(given)
            for slot, change in _listeners.get(module, ()):
                if slot < len(values):
                    values[slot] = change(values[slot])
                else:
                    name = ("query", "key", "value")[slot]
                    options[name] = change(options[name])
            return inner(module, *values, **options)

        return call

    return get_interface


def _by_position(x: Tensor, see: See) -> Tensor:
    """[batch, heads, positions, head_dim] seen as [batch, positions, heads · head_dim]."""
    batch, heads, positions, width = x.shape
    flat = x.transpose(1, 2).reshape(batch, positions, heads * width)
    new = see(flat)
    return x if new is flat else new.reshape(batch, positions, heads, width).transpose(1, 2).contiguous()


@dataclass(frozen=True, slots=True, eq=False)
class WatchedTap(Tap):
    """The same inside a core's own arithmetic, and the attention pattern [batch, queries, heads, keys] of any core."""

    core: nn.Module
    which: Which
    heads: int

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        with watching(self.core, {self.which: lambda x: _seen(x, self.which, self.heads, see)}):
            yield


@contextmanager
def watching(core: nn.Module, change: Mapping[Which, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Run the `forward` of `core` under a watch that may replace its operands."""
    with _inside(core, lambda: _Watch(change)):
        yield


@contextmanager
def _inside(core: nn.Module, watch: Callable[[], TorchFunctionMode]) -> Iterator[None]:
    before = core.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with watch():
            return before(*args, **kwargs)

    own = core.__dict__.get("forward")
    core.forward = forward
    try:
        yield
    finally:
        if own is None:
            del core.__dict__["forward"]
        else:
            core.forward = own


@dataclass(frozen=True, slots=True, eq=False)
class SplitTap(Tap):
    """Queries, keys or values [1, heads, positions, head_dim] of all images, before a core splits them."""

    core: nn.Module
    which: Which

    @contextmanager
    def attach(self, see: See) -> Iterator[None]:
        """See `Tap.attach`."""
        with splitting(self.core, {self.which: lambda x: _by_position(x, see)}):
            yield


@contextmanager
def splitting(core: nn.Module, change: Mapping[Which, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Run the `forward` of `core` under a watch that may replace what it splits: queries, then keys, then values."""
    with _inside(core, lambda: _Splits(change)):
        yield


def _seen(x: Tensor, which: Which, heads: int, see: See) -> Tensor:
    if which == "pattern":
        whole = x.reshape(-1, heads, *x.shape[-2:])
        flat = whole.transpose(1, 2).reshape(-1, heads, x.shape[-1])
        new = see(flat)
        if new is flat:
            return x
        made = new.reshape(whole.shape[0], whole.shape[2], heads, -1).transpose(1, 2)
        return made.reshape(x.shape).to(x.dtype).contiguous()
    if which == "k":
        natural = x.transpose(-1, -2)
        made = _split(natural, heads, see)
        return x if made is natural else made.transpose(-1, -2).contiguous()
    return _split(x, heads, see)


def _split(x: Tensor, heads: int, see: See) -> Tensor:
    """Operands come as [batch, heads, positions, width], or with batch and heads on one axis."""
    whole = x.reshape(-1, heads, *x.shape[-2:]) if x.ndim == 3 else x
    new = _by_position(whole, see)
    return x if new is whole else new.reshape(x.shape).contiguous()


_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.baddbmm, Tensor.baddbmm}
_SOFTMAX = {functional.softmax, torch.softmax, Tensor.softmax}


class _Watch(TorchFunctionMode):
    """Sees the calls of one attention: scores, softmax, mixture of values."""

    def __init__(self, change: Mapping[Which, Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self._change = change
        self._scored = self._mixed = self._normed = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            q, k, v, *rest = args
            k = self._apply("k", k.transpose(-1, -2)).transpose(-1, -2)
            return func(self._apply("q", q), k, self._apply("v", v), *rest, **kwargs)
        if func in _PRODUCTS:
            return self._product(func, list(args), kwargs)
        out = func(*args, **kwargs)
        if func in _SOFTMAX and isinstance(out, Tensor) and out.ndim >= 3 and not self._normed:
            self._normed = True
            return self._apply("pattern", out)
        return out

    def _product(self, func: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        added = func in (torch.baddbmm, Tensor.baddbmm)
        left, right = (("batch1", 1), ("batch2", 2)) if added else (("input", 0), ("other", 1))
        a, b = (kwargs.get(n, args[i] if i < len(args) else None) for n, i in (left, right))
        if isinstance(a, Tensor) and isinstance(b, Tensor) and min(a.ndim, b.ndim) >= 3:
            if not self._scored and not self._normed:
                self._scored = True
                a, b = self._apply("q", a), self._apply("k", b)
            elif self._normed and not self._mixed:
                self._mixed = True
                b = self._apply("v", b)
            for (name, i), x in ((left, a), (right, b)):
                if name in kwargs:
                    kwargs[name] = x
                else:
                    args[i] = x
        return func(*args, **kwargs)

    def _apply(self, which: Which, x: Tensor) -> Tensor:
        change = self._change.get(which)
        return x if change is None else change(x)


class _Splits(TorchFunctionMode):
    """Sees the first three splits of heads by positions in one attention."""

    def __init__(self, change: Mapping[Which, Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self._change = change
        self._next: list[Which] = ["q", "k", "v"]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.split, Tensor.split) and self._next and isinstance(args[0], Tensor) and args[0].ndim == 4:
            change = self._change.get(self._next.pop(0))
            if change is not None:
                args = (change(args[0]), *args[1:])
        return func(*args, **kwargs)
