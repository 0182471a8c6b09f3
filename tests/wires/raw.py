"""Wires by torch's own hooks on the modules of a model, and arithmetic on the streams that these recorded.

Nothing of the package is used. The change of a source's write is what its modules make of the new value, less what they
made of the old one. It is carried to the end's stream past all that is written between: added where blocks add, through
the norms that stand in the stream where they do. What the end's modules make of that stream takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Term:
    """What is added to a stream: `write`, the module whose output it is; `norm`, the one that norms the sum, if any."""

    write: str
    norm: str = ""


@dataclass(frozen=True)
class Source:
    """A write.

    Attributes:
        module: where its value stands, in the input or (`out`) in the output. part: which components.
        through: the modules between the value and the stream. term: the first term of the stream that is later.
        put: where its positions lie in the stream; all of them, in order, if `None`.
    """

    module: str
    out: bool = False
    part: slice = field(default_factory=lambda: slice(None))
    through: tuple[str, ...] = ()
    term: int = 0
    put: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Read:
    """An end: the modules that make it of the stream, and which components of the last one's output it is.

    `term` is the number of terms before it. `take`: of the stream, what the first module is given.
    """

    chain: tuple[str, ...]
    part: slice = field(default_factory=lambda: slice(None))
    term: int = 0
    take: Callable[[Tensor], Tensor] | None = None


@dataclass(repr=False)
class Raw:
    """Passes of one row; `terms` of the stream in which sources and ends stand, where norms stand in it."""

    hf: Any
    keywords: Mapping[str, Tensor]
    token: int
    known: dict[str, Tensor] = field(default_factory=dict)

    def run(self, put: Mapping[str, Change] | None = None) -> float:
        """The last logit of the token; every module's first input and output are kept on the first, factual pass."""
        handles = []
        first = not self.known
        for name, module in self.hf.named_modules():
            if name:
                handles.append(module.register_forward_hook(self._hook(name, put or {}, first)))
        try:
            with torch.no_grad():
                logits = self.hf(**self.keywords, use_cache=False).logits
        finally:
            for handle in handles:
                handle.remove()
        return float(logits[0, -1, self.token])

    def _hook(self, name: str, put: Mapping[str, Change], keep: bool) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(_: nn.Module, args: Any, output: Any) -> Any:
            whole = output[0] if isinstance(output, tuple) else output
            if keep and args and isinstance(args[0], Tensor):
                self.known[f"{name}<"] = args[0].detach().clone()
            if keep and isinstance(whole, Tensor):
                self.known[f"{name}>"] = whole.detach().clone()
            if name not in put:
                return None
            new = put[name](whole.clone())
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    def _through(self, modules: tuple[str, ...], x: Tensor) -> Tensor:
        for name in modules:
            x = self.hf.get_submodule(name)(x)
        return x

    def wire(
        self, source: Source, end: Read, change: Change, at: list[int] | None = None, terms: tuple[Term, ...] = ()
    ) -> float:
        """The readout where the end alone takes the source's value changed, at some positions or all."""
        with torch.no_grad():
            was = self.known[f"{source.module}{'>' if source.out else '<'}"]
            now = was.clone()
            places = slice(None) if at is None else at
            axis = now.dim() - 2
            chosen = now.movedim(axis, 0)
            chosen[places, ..., source.part] = change(chosen[places, ..., source.part])
            delta = self._through(source.through, now) - self._through(source.through, was)
            if source.put is not None:
                delta = source.put(delta)
            given = self._carried(delta, source, end, terms)
            made = self._through(end.chain, given)

        def placed(x: Tensor) -> Tensor:
            x[..., end.part] = made[..., end.part]
            return x

        return self.run({end.chain[-1]: placed})

    def _carried(self, delta: Tensor, source: Source, end: Read, terms: tuple[Term, ...]) -> Tensor:
        """What the first module of the end is given."""
        normed = [i for i, t in enumerate(terms[: end.term]) if t.norm and i >= source.term]
        if not normed:
            return self.known[f"{end.chain[0]}<"] + (delta if end.take is None else end.take(delta))
        first, *rest = normed
        x: Tensor = self._through((terms[first].norm,), self.known[f"{terms[first].norm}<"] + delta)
        for i in rest:
            x = self._through((terms[i].norm,), x + self.known[f"{terms[i].write}>"])
        return x
