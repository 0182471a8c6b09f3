"""Reads in closed form: a norm, and a linear map whose outputs belong to one head each.

Most reads are that. Their gradient in the stream is the gradient behind the map, head by head, times the map, times the
norm's Jacobian: one product of matrices for all heads of a block, where autograd takes a pull for each. A read is taken
in this way only where it gave what autograd gives on a row; any other is left to autograd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from causalcircuit.models import Attention, Block, ModuleTap, Tap


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """y = (x - mean) / σ · gain + bias, or without the mean.

    Attributes:
        centred: whether the mean is taken out. gain: [width]. eps: under the root.
    """

    centred: bool
    gain: Tensor
    eps: float

    def unit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[places, width] the normed stream before its gain, and [places, 1] 1/σ."""
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)
        return x * inverse, inverse

    def folded(self, weight: Tensor) -> Tensor:
        """[…, width] a linear map of y as one of x, less what the mean takes out."""
        made = weight * self.gain
        return made - made.mean(-1, keepdim=True) if self.centred else made


@dataclass(frozen=True, slots=True, eq=False)
class HeadRead:
    """Queries, keys and values of an attention.

    Attributes:
        norm: before the maps. taps: on their outputs. parts: for each kind of port the tap, and [ports, head_dim] the
            outputs that each port is made of, or the first of them where they follow one another.
        maps: for each kind [ports, head_dim, width], folded with the norm.
    """

    norm: Norm
    taps: tuple[Tap, ...]
    parts: tuple[tuple[str, Tensor | int], ...]
    maps: tuple[Tensor, ...]

    def pull(self, x: Tensor, gradients: Mapping[str, Tensor]) -> Tensor:
        """[ports, places, width] the gradient in the stream `x`, as each port alone reads it."""
        unit, inverse = self.norm.unit(x.detach())
        found = unit.new_empty(sum(len(weight) for weight in self.maps), *unit.shape)
        scaled = {tap: gradients[tap] * inverse for tap in dict(self.parts)}
        first = 0
        for (tap, outputs), weight in zip(self.parts, self.maps, strict=True):
            ports, width, _ = weight.shape
            own = scaled[tap]
            if isinstance(outputs, int):  # no copy
                behind = own[:, outputs : outputs + ports * width].reshape(len(own), ports, width)
            else:
                behind = own[:, outputs]
            torch.bmm(behind.transpose(0, 1), weight, out=found[first : first + ports])
            first += ports
        return _projected(found, unit)


def _projected(found: Tensor, unit: Tensor) -> Tensor:
    """Less the part along the normed stream, which a norm takes out; in place."""
    along = torch.einsum("rpd,pd->rp", found, unit) / unit.shape[-1]
    return found.addcmul_(along[..., None], unit, value=-1)


@dataclass(frozen=True, slots=True, eq=False)
class PlainRead:
    """An MLP, which reads all of a normed stream."""

    norm: Norm
    name: str

    def pull(self, x: Tensor, gradients: Mapping[str, Tensor]) -> Tensor:
        """[1, places, width] the gradient in the stream `x`."""
        unit, inverse = self.norm.unit(x.detach())
        found = self.norm.folded(gradients[self.name] * inverse)
        return _projected(found[None], unit)


def norm_of(block: nn.Module, x: Tensor, y: Tensor) -> Norm | None:
    """The norm of a block that makes `y` of the stream `x`; `None` where none does."""
    near = 1e-9 if x.dtype == torch.float64 else 1e-5
    if not bool(y.isfinite().all()):
        return None
    for module in block.modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or weight.ndim != 1 or weight.shape != x.shape[-1:]:
            continue
        eps = next((e for n in ("eps", "variance_epsilon") if isinstance(e := getattr(module, n, None), float)), 1e-5)
        bias = getattr(module, "bias", None)
        for centred in (True, False):
            for gain in (weight, 1 + weight):
                norm = Norm(centred, gain.detach(), eps)
                made = norm.unit(x)[0] * norm.gain + (bias if isinstance(bias, Tensor) else 0)
                if torch.allclose(made, y, rtol=near, atol=near * float(y.abs().max())):
                    return norm
    return None


def maps_of(core: Attention, lead: str, stand: str) -> list[ModuleTap]:
    """Taps on the outputs of the linear maps inside a core, its output projection left out."""
    found = [
        m
        for m in core.core.modules()
        if m is not core.projection and isinstance(w := getattr(m, "weight", None), Tensor) and w.ndim == 2
        and hasattr(m, "bias")
    ]  # fmt: skip
    return [ModuleTap(f"{lead}map{k}", _rows(m).shape[0], stand, m, "out") for k, m in enumerate(found)]


def _rows(linear: nn.Module) -> Tensor:
    """[outputs, inputs] of a linear map."""
    weight: Tensor = linear.weight  # type: ignore[assignment]
    return weight if isinstance(linear, nn.Linear) else weight.T


def head_read(
    core: Attention, lead: str, taps: list[ModuleTap], norm: Norm, nodes: Mapping[str, Tensor]
) -> HeadRead | None:
    """How the ports of an attention read, where each is made of outputs that no other port has.

    Args:
        core: the attention. lead: before its tensors' names. taps: from `maps_of`. norm: before it.
        nodes: a pass with a graph, with those taps.
    """
    inputs = norm.gain.shape[0]
    own = [t for t in taps if t.name in nodes and _rows(t.module).shape[1] == inputs]
    if not own:
        return None
    parts: list[tuple[str, Tensor | int]] = []
    maps: list[Tensor] = []
    seen: dict[str, Tensor] = {t.name: torch.zeros(t.size, dtype=torch.bool) for t in own}
    for which in "qkv":
        y = nodes[f"{lead}{which}"]
        ports = y.shape[-1] // core.head_dim
        chosen: dict[str, list[Tensor]] = {}
        for j in range(ports):
            one = torch.zeros_like(y)
            one[:, j * core.head_dim : (j + 1) * core.head_dim] = torch.rand(len(y), core.head_dim).to(y) + 0.5
            found = torch.autograd.grad(y, [nodes[t.name] for t in own], one, retain_graph=True, allow_unused=True)
            moved = [(t.name, (g != 0).any(0)) for t, g in zip(own, found, strict=True) if g is not None and g.any()]
            if len(moved) != 1:
                return None
            name, outputs = moved[0]
            if int(outputs.sum()) != core.head_dim or bool((seen[name] & outputs.cpu()).any()):
                return None
            seen[name] |= outputs.cpu()
            chosen.setdefault(name, []).append(outputs.nonzero()[:, 0])
        if len(chosen) != 1:
            return None
        name, each = next(iter(chosen.items()))
        outputs = torch.stack(each)
        tap = next(t for t in own if t.name == name)
        start = int(outputs[0, 0])
        follow = torch.equal(outputs.flatten(), torch.arange(start, start + outputs.numel(), device=outputs.device))
        parts.append((name, start if follow else outputs))
        maps.append(norm.folded(_rows(tap.module).detach()[outputs]).contiguous())
    return HeadRead(norm, tuple(t for t in own if any(t.name == n for n, _ in parts)), tuple(parts), tuple(maps))


__all__ = ["Block", "HeadRead", "Norm", "PlainRead", "head_read", "maps_of", "norm_of"]
