"""Clauses about gradients: every tensor's is connected, and agrees with a central difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.models.contract.bypass import bypassed, originals
from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.places import places_of
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.feed import Batch
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.overlay import needed, tapped
from causalcircuit.models.probe import Probe
from causalcircuit.models.representative import kind_of, site_of

_STEPS = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
"""Fourth-order central difference: f' = Σ cᵢ f(x + i h) / h, with an error of order h⁴."""

_WIDTHS = (1e-2, 3e-3, 3e-2, 1e-3, 3e-4)
"""Step sizes, relative to the activations: too wide a step meets curvature and kinks, too narrow a one rounding."""
_NARROW = (1e-4, 1e-5, 1e-6)
"""For float64, where rounding leaves room for them."""
_ROUGH = 1e-2
_PLACES = 4096
"""Positions of one pass; more items are run in several."""


def differentiate(model: LoadedModel, probe: Probe, bare: Tensor, names: list[str], proof: Proof) -> None:
    """One forward-backward with a zero added to every tensor; then differences along one direction a kind.

    Args:
        model, probe: what is run. bare: its output. names: the tensors.
        proof: gets what fails, and tensors that the output does not depend on.
    """
    batch = model.batch(probe.even)
    leaves: dict[str, Tensor] = {}
    sizes: dict[str, float] = {}

    def add(name: str, value: Tensor) -> Tensor:
        leaves[name] = torch.zeros_like(value, requires_grad=True)
        sizes[name] = float(value.detach().square().mean().sqrt())
        return value + leaves[name]

    attached = needed(model.taps, names)
    used = [tap for name, tap in model.taps.items() if name in attached]
    with torch.enable_grad():
        with tapped(used, add, attached - set(names)), originals(model.taps, names) as own:
            output = model.run(batch)
        if not close(output.detach(), bare):
            for name in names:
                proof.refused[name] = "adding a zero to every tensor changes the output"
            return
        weights = _weights(output[0])
        wanted = (*leaves.values(), *own.values())
        made = torch.autograd.grad((output * weights).sum(), wanted, allow_unused=True)
    found = dict(zip(leaves, made, strict=False))
    for name in bypassed(dict(zip(own, made[len(leaves) :], strict=True)), found.get):
        proof.refused[name] = "something reads it where what is written does not reach"
    ways: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(1)
    for name, gradient in found.items():
        info = site_of(model.sites, name)
        if gradient is None or not bool(gradient[:, info.start : info.stop].any()):
            proof.still.add(name)
        if gradient is None or not bool(gradient.any()):
            proof.unread.add(name)
            continue
        stand = info.stand
        gradients[name] = gradient[places_of(model, batch, probe.one, stand, 0)].double()
        noise = torch.randn(gradients[name].shape, generator=generator) * sizes[name]
        ways[name] = noise.to(gradient.device, gradient.dtype)
    for kind in _disagreeing(model, probe, weights, gradients, ways):
        for name, clause in kind.items():
            proof.sloped.setdefault(name, clause)


def _disagreeing(
    model: LoadedModel, probe: Probe, weights: Tensor, gradients: dict[str, Tensor], ways: dict[str, Tensor]
) -> Iterator[dict[str, str]]:
    """The kinds whose gradient is not the slope along a random way through all their tensors."""
    kinds: dict[str, list[str]] = {}
    for name in gradients:
        kinds.setdefault(kind_of(name), []).append(name)
    trials = [_Trial(tuple(k)) for k in kinds.values()]
    for t in trials:
        parts = [gradients[n] * ways[n].double() for n in t.names]
        t.slope = sum(float(p.sum()) for p in parts)
        t.scale = sum(float(p.square().sum().sqrt()) for p in parts)
    open_ = trials
    for h in (*_WIDTHS, *(_NARROW if model.dtype == torch.float64 else ())):
        for t, slope in zip(open_, _slopes(model, probe, weights, [t.names for t in open_], ways, h), strict=True):
            t.found.append(slope)
        open_ = [t for t in open_ if not t.agrees(_bar(model.dtype))]
        if not open_:
            return
    for t in open_:
        if not t.agrees(_bar(model.dtype), rough=True):
            nearest = min(t.found, key=lambda s: abs(s - t.slope))
            said = f"its gradient disagrees with a central difference ({t.slope:.6g} and {nearest:.6g} along one way)"
            yield dict.fromkeys(t.names, said)


@dataclass(slots=True)
class _Trial:
    """One direction: the tensors that it moves, the slope by gradient and its size, the slopes by difference."""

    names: tuple[str, ...]
    slope: float = 0.0
    scale: float = 0.0
    found: list[float] = field(default_factory=list)

    def agrees(self, bar: float, *, rough: bool = False) -> bool:
        """Whether a difference gives the gradient's slope.

        Kinks (ReLU, clipping, the choice of experts) and float32 may leave no step size at which a difference is
        good to `bar`; then (`rough`) the slope must still agree to a hundredth.
        """
        nearest = min(abs(s - self.slope) for s in self.found)
        return nearest <= max(bar, _ROUGH if rough else 0.0) * self.scale


def _slopes(
    model: LoadedModel, probe: Probe, weights: Tensor, sets: list[tuple[str, ...]], ways: dict[str, Tensor], h: float
) -> list[float]:
    """The slope along each set's way: one item of a batch for each step of each set."""
    out: list[float] = []
    per = max(_PLACES // max(_size(model, probe), 1) // len(_STEPS), 1)
    for low in range(0, len(sets), per):
        part = sets[low : low + per]
        batch = model.batch([probe.one] * (len(part) * len(_STEPS)))
        shifts = [
            (name, len(_STEPS) * k + j, step * h)
            for k, names in enumerate(part)
            for name in names
            for j, (step, _) in enumerate(_STEPS)
        ]
        wanted: dict[str, list[tuple[int, float]]] = {}
        for name, item, by in shifts:
            wanted.setdefault(name, []).append((item, by))

        def shift(
            name: str, value: Tensor, at: Batch = batch, by: dict[str, list[tuple[int, float]]] = wanted
        ) -> Tensor:
            new = value.clone()
            stand = site_of(model.sites, name).stand
            for item, size in by[name]:
                places = places_of(model, at, probe.one, stand, item)
                new[places] = new[places] + size * ways[name]
            return new

        output = model.forward(batch, wanted, shift)
        values = (output.double() * weights.double()).reshape(len(output), -1).sum(-1).tolist()
        for k in range(len(part)):
            own = values[len(_STEPS) * k : len(_STEPS) * (k + 1)]
            out.append(sum(c * v for (_, c), v in zip(_STEPS, own, strict=True)) / h)
    return out


def _size(model: LoadedModel, probe: Probe) -> int:
    """Positions of one item."""
    seen = sum(model.extent(t, probe.one) for t in model.sites.towers if t.modality != "text")
    return seen + len(probe.one.ids or ()) + len(probe.one.source or ())


def _bar(dtype: torch.dtype) -> float:
    return {torch.float64: 1e-4, torch.float32: 1e-4}.get(dtype, 2e-1)


def _weights(output: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(output.shape, generator=generator).to(output.device, output.dtype)
    scaled: Tensor = noise / float(output.shape[-1]) ** 0.5
    return scaled
