"""Layer-wise relevance in place of gradients: what a pass does to a change, with its non-linear parts held.

While the rules are in force a forward pass gives the values that it always gives, and its graph another derivative: the
scale of a norm, a softmax (of an attention's pattern, of a router) and the slope of an activation through the origin
are constants, and each factor of a product of two hidden values gets half of it. The model is then linear in what flows
through it, up to biases, so relevance is conserved from layer to layer.

Source: RelP, arXiv 2508.21258, section 3; the rules are those of Ali et al., arXiv 2202.07304, and AttnLRP, 2402.05602.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.models import LoadedModel

_SLOPES = {"gelu", "silu", "relu", "relu6", "leaky_relu", "mish", "hardswish", "elu", "selu"}
_SCALES = {"rsqrt", "sqrt", "pow", "__pow__", "norm", "vector_norm", "linalg_vector_norm"}
_PRODUCTS = {"mul", "__mul__", "__rmul__", "multiply"}
_PLAIN = (nn.Dropout, nn.Identity, nn.Softmax, nn.Flatten)


@contextmanager
def relevance(model: LoadedModel) -> Iterator[None]:
    """Put the rules in force for passes of a model.

    Raises:
        DiagnosticError: CQ790, a part of the model in which what its rule holds does not show.
    """
    rules = _Rules()
    hooks = [
        model.hf.register_forward_pre_hook(rules.begin),
        model.hf.register_forward_hook(rules.end, always_call=True),
    ]
    names = {m: n for n, m in model.hf.named_modules()}
    attended: set[nn.Module] = set()
    for stack in model.stacks:
        for block in stack.blocks:
            cores = [a.core for a in (block.attention, block.cross) if a is not None]
            attended.update(m for core in cores for m in core.modules())
            hooks += rules.watch(block.module, "activation", names)
            for core in cores:
                hooks += rules.watch(core, "softmax", names)
    for module in names:
        if module not in attended and _shapes_nothing(module):
            hooks.append(module.register_forward_hook(rules.activation, prepend=True))
        if "norm" in type(module).__name__.lower() and not isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks += rules.watch(module, "scale", names)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    if rules.missing:
        raise _unseen(model, *rules.missing[0])


def _shapes_nothing(module: nn.Module) -> bool:
    """A module that may be an activation: nothing in it, and nothing to learn."""
    bare = not any(True for _ in module.children()) and not any(True for _ in module.parameters())
    return bare and not isinstance(module, _PLAIN)


def _unseen(model: LoadedModel, kind: str, where: str) -> DiagnosticError:
    what = {
        "activation": "the activation of its MLP",
        "softmax": "its attention pattern",
        "scale": "the scale of a norm",
    }
    return error(
        "CQ790",
        f"`relp` does not see {what[kind]} in `{where}` of `{model.ref.name}`",
        model.ref.span,
        help=("`eap_ig(10)` needs no rule", *(['`attention = "eager"` shows patterns'] if kind == "softmax" else [])),
    )


class _Rules(TorchFunctionMode):
    """Replaces derivatives, and keeps watch over which parts it did so in.

    Attributes:
        open: the parts that are being run, outermost first: what each must show, its name, and how often it did.
        missing: those that did not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str, list[int]]] = []
        self.missing: list[tuple[str, str]] = []
        self.active = False

    def begin(self, *_: object) -> None:
        self.open.clear()
        super().__enter__()  # type: ignore[no-untyped-call]
        self.active = True

    def end(self, *_: object) -> None:
        if self.active:
            self.active = False
            super().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def watch(self, module: nn.Module, kind: str, names: dict[nn.Module, str]) -> list[Any]:
        """Hooks that note whether a part shows what its rule holds."""

        def enter(*_: object) -> None:
            self.open.append((kind, names.get(module, type(module).__name__), [0]))

        def leave(_: object, __: object, out: Any) -> None:
            found, name, count = self.open.pop()
            first = next((x for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor)), None)
            if not count[0] and first is not None and first.requires_grad:
                self.missing.append((found, name))

        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    def seen(self, kind: str) -> None:
        """Tell the parts around that one of their rules has applied."""
        for wanted, _, count in self.open:
            count[0] += wanted == kind

    def activation(self, module: nn.Module, given: tuple[Any, ...], out: object) -> object:
        """An activation, as x times what it makes of x over x."""
        x = given[0] if given else None
        if len(given) != 1 or not isinstance(x, Tensor) or not isinstance(out, Tensor) or out.shape != x.shape:
            return out
        self.seen("activation")
        return _sloped(module.forward, x, out)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not isinstance(out, Tensor) or not out.requires_grad or not torch.is_grad_enabled():
            return out
        name = func.__name__
        if name == "softmax":
            self.seen("softmax")
            return out.detach()
        if name == "scaled_dot_product_attention":
            self.seen("softmax")
            return _held(out, _attended(*args, **kwargs))
        if name in ("layer_norm", "rms_norm"):
            self.seen("scale")
            return _held(out, _normed(name, *args, **kwargs))
        inside = self.open[-1][0] if self.open else ""
        if name in _SCALES and inside == "scale" and (not name.endswith(("pow", "pow__")) or _is_root(args)):
            self.seen("scale")
            return out.detach()
        if name in _SLOPES and inside == "activation":
            self.seen("activation")
            return _sloped(partial(_again, func, args[1:], kwargs), args[0], out)
        if name in _PRODUCTS and self.open and inside != "scale" and all(_flows(x) for x in args[:2]):
            return _held(out, out / 2)
        return out


def _again(func: Callable[..., Any], rest: tuple[Any, ...], kwargs: dict[str, Any], x: Tensor) -> Any:
    return func(x, *rest, **{k: v for k, v in kwargs.items() if k != "inplace"})


def _flows(x: object) -> bool:
    return isinstance(x, Tensor) and x.requires_grad and not x.is_leaf


def _is_root(args: tuple[Any, ...]) -> bool:
    return len(args) > 1 and isinstance(args[1], float) and args[1] < 0


def _held(value: Tensor, slope: Tensor) -> Tensor:
    """`value`, with the derivative of `slope`."""
    return value.detach() + (slope - slope.detach())


def _sloped(function: Callable[[Tensor], Tensor], x: Tensor, out: Tensor) -> Tensor:
    """`out`, as x times a constant; at 0, the constant beside it."""
    near = x.detach()
    near = torch.where(near == 0, torch.full_like(near, torch.finfo(near.dtype).eps), near)
    with torch.no_grad():
        ratio = torch.where(x == 0, function(near.clone()), out.detach()) / near
    return _held(out, x * ratio)


def _normed(
    name: str,
    x: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | float | None = None,
    eps: float | None = None,
) -> Tensor:
    """A norm, up to a constant, with its scale held; the fourth argument of `rms_norm` is its ε."""
    axes = tuple(range(-len(shape), 0))
    if name == "layer_norm":
        x = x - x.mean(axes, keepdim=True)
        tiny = 1e-5 if eps is None else eps
    else:
        given = eps if eps is not None else bias
        tiny = given if isinstance(given, float) else torch.finfo(x.dtype).eps
    wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
    x = x * torch.rsqrt(wide.pow(2).mean(axes, keepdim=True) + tiny).to(x.dtype)
    return x if weight is None else x * weight


def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """What an attention's pattern makes of its values, with the pattern held."""
    times = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    with torch.no_grad():
        keys = key.repeat_interleave(times, -3)
        found = query @ keys.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            later = torch.ones(found.shape[-2:], dtype=torch.bool, device=found.device).triu(1)
            found = found.masked_fill(later, -math.inf)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            found = found.masked_fill(~attn_mask, -math.inf)
        elif attn_mask is not None:
            found = found + attn_mask
        pattern = found.softmax(-1).nan_to_num(0.0)  # a place that attends to nothing
    return pattern @ value.repeat_interleave(times, -3)
