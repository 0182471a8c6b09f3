"""Neurons that read a normed stream through one row of a linear map each, or of several: their reads in closed form.

The gradient at a neuron's pre-activations times its rows, times the norm's Jacobian, is its gradient in the stream.
Changes of the stream are met with it without writing that gradient out: a row for each neuron, a number for each place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from causalcircuit.attribution.carry import Moved, Thin
from causalcircuit.attribution.fast import Norm, PlainRead
from causalcircuit.attribution.layout import Read
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Streams, head_rows
from causalcircuit.models import ModuleTap


@dataclass(frozen=True, slots=True, eq=False)
class NeuronRead:
    """How the neurons of an MLP read.

    Attributes:
        norm: before the maps. taps: on the outputs of the maps. rows: of each map [outputs, width], folded with the
            norm; the outputs are so many times the neurons.
    """

    norm: Norm
    taps: tuple[ModuleTap, ...]
    rows: tuple[Tensor, ...]

    def pulls(self, x: Tensor, name: str, columns: Sequence[int], gradient: Tensor, here: Recorded) -> Pulls:
        """The gradients in the stream `x`, as some neurons alone read it, for a gradient at all of them."""
        neurons = here.nodes[name]
        unit, inverse = self.norm.unit(x)
        behind = torch.autograd.grad(neurons, [here.nodes[t.name] for t in self.taps], gradient, retain_graph=True)
        times: list[Tensor] = []
        rows: list[Tensor] = []
        size = neurons.shape[-1]
        for found, weight in zip(behind, self.rows, strict=True):
            for first in range(0, weight.shape[0], size):
                own = [first + k for k in columns]
                times.append((found * inverse)[:, own].detach())
                rows.append(weight[own])
        return Pulls(times, rows, unit)


@dataclass(frozen=True, slots=True, eq=False)
class Pulls:
    """Gradients in a stream: [places, n] times [n, width], added up, less the part along the normed stream."""

    times: list[Tensor]
    rows: list[Tensor]
    unit: Tensor

    def met(self, moved: Moved) -> Tensor:
        """[places, n, pieces] the products with changes."""
        return torch.cat([self._met(part) for part in moved.parts], 2)

    def _met(self, part: Tensor | Thin) -> Tensor:
        width = self.unit.shape[-1]
        if isinstance(part, Thin):
            along = (self.unit @ part.rows.T) * part.times / width
        else:
            along = torch.einsum("pcd,pd->pc", part, self.unit) / width
        total: Tensor | None = None
        for times, rows in zip(self.times, self.rows, strict=True):
            if isinstance(part, Thin):
                plain = part.times[:, None] * (rows @ part.rows.T)
            else:
                plain = (part @ rows.T).transpose(1, 2)
            made = times[..., None] * (plain - (self.unit @ rows.T)[..., None] * along[:, None])
            total = made if total is None else total + made
        if total is None:
            raise TypeError("neurons that read through no map")
        return total

    def whole(self) -> Tensor:
        """[places, n, width] all of them."""
        found = torch.stack([t[..., None] * r for t, r in zip(self.times, self.rows, strict=True)]).sum(0)
        along = torch.einsum("pnd,pd->pn", found, self.unit) / self.unit.shape[-1]
        return found - along[..., None] * self.unit[:, None]

    def mixed(self, weights: Tensor) -> Tensor:
        """[places, width] a sum of them."""
        found = torch.stack([(t * weights) @ r for t, r in zip(self.times, self.rows, strict=True)]).sum(0)
        return found - (found * self.unit).sum(-1, keepdim=True) / self.unit.shape[-1] * self.unit


def maps_into(streams: Streams, tower: str, layer: int) -> list[ModuleTap]:
    """Taps on the linear maps of a block which neurons may read through."""
    block = streams.blocks[tower, layer]
    if block.last is None or block.mixture is not None:
        return []
    own = streams.model.sites.tower(tower)
    attended = {m for a in (block.attention, block.cross) if a is not None for m in a.core.modules()}
    found: list[ModuleTap] = []
    for module in block.module.modules():
        weight = getattr(module, "weight", None)
        plain = module is not block.last and module not in attended and isinstance(weight, Tensor) and weight.ndim == 2
        if plain and isinstance(weight, Tensor) and weight.is_floating_point():
            outputs, inputs = weight.shape if isinstance(module, nn.Linear) else weight.shape[::-1]
            if inputs == own.width and not outputs % own.mlp:
                name = f"{own.prefix}layer[{layer}].mlp.map{len(found)}"
                found.append(ModuleTap(name, outputs, tower, module, "out"))
    return found


def neuron_read(
    streams: Streams, read: Read, taps: Sequence[ModuleTap], gradients: Mapping[str, Tensor], probe: Recorded
) -> NeuronRead | None:
    """The closed form of an MLP's neurons, where it gives what autograd gives for a random mixture of them."""
    prefix = f"{read.tower}." if read.tower else ""
    at = f"{prefix}layer[{read.layer}]."
    quick, name = streams.quick.get(f"{at}mlp.in"), f"{at}mlp.neurons"
    own = tuple(t for t in taps if t.name in probe.nodes)
    if not isinstance(quick, PlainRead) or not own:
        return None
    neurons = probe.nodes[name]
    inputs = quick.norm.gain.shape[0]
    rows = tuple(quick.norm.folded(head_rows(t.module, inputs, neurons).T.detach()).contiguous() for t in own)
    made = NeuronRead(quick.norm, own, rows)
    size = neurons.shape[-1]
    generator = torch.Generator().manual_seed(size)
    weights = (torch.rand(size, generator=generator) + 0.5).to(neurons)
    gradient = gradients[name]
    given, _ = streams.given(read)
    (known,) = torch.autograd.grad(neurons, probe.nodes[given], gradient * weights, retain_graph=True)
    if any(g is None for g in torch.autograd.grad(
        neurons, [probe.nodes[t.name] for t in own], gradient, retain_graph=True, allow_unused=True
    )):  # fmt: skip
        return None
    # Each neuron moves by its own pre-activations alone: those of one half move none of the other.
    half = torch.arange(size, device=neurons.device) % 2 == 0
    for tap, weight in zip(own, rows, strict=True):
        (g,) = torch.autograd.grad(neurons, probe.nodes[tap.name], gradient * half, retain_graph=True)
        if g.reshape(len(g), weight.shape[0] // size, size)[..., ~half].any():
            return None
    pulls = made.pulls(streams.stream(read, probe), name, range(size), gradient, probe)
    found = pulls.mixed(weights)
    near = 1e-9 if neurons.dtype == torch.float64 else 1e-4
    if not torch.allclose(found, known, rtol=0, atol=near * max(float(known.abs().max()), 1e-30)):
        return None
    return made
