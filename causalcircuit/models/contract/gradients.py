"""Clauses about gradients: every tensor's is connected, and agrees with a central difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

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
_ROUNDING = 2e-6
"""How far two outputs may be off, relative to their size: many float64 models calculate in float32 inside."""
_PLACES = 4096
"""Positions of one pass; more items are run in several."""


def differentiate(model: LoadedModel, probe: Probe, bare: Tensor, names: list[str], proof: Proof) -> None:
    """One forward-backward with a zero added to every tensor; then differences along one direction a kind.

    Args:
        model, probe: what is run. bare: its output. names: the tensors.
        proof: gets what fails, and tensors that the output does not depend on.
    """
    weights = _weights(bare[0])
    found = _backward(model, probe, names, weights)
    if not close(found.output, bare):
        for name in names:
            proof.refused[name] = "adding a zero to every tensor changes the output"
        return
    for name in bypassed(found.whole, found.reached.get):
        proof.refused[name] = "something reads it where what is written does not reach"
    kinds: dict[str, list[str]] = {}
    for name, gradient in found.reached.items():
        info = site_of(model.sites, name)
        if not bool(gradient[:, info.start : info.stop].any()):
            proof.still.add(name)
        if not bool(gradient.any()):
            proof.unread.add(name)
        kinds.setdefault(kind_of(name), []).append(name)
    loose = _disagreeing(model, probe, weights, kinds.values(), found)
    alone = [[name] for trial in loose for name in trial.names]
    doubtful = [t.names[0] for t in _disagreeing(model, probe, weights, alone, found) if not t.agrees_roughly()]
    # One tap that falsifies a gradient falsifies those of all that comes before it: each is asked without the others.
    own = replace(found, reached={})
    for name in doubtful:
        own.reached.update(_backward(model, probe, [name], weights).reached)
    asked = _disagreeing(model, probe, weights, [[n] for n in doubtful], own)
    guilty = {t.names[0]: t.clause for t in asked if not t.agrees_roughly()}
    proof.sloped.update(guilty or dict.fromkeys(doubtful, "its gradient disagrees with a central difference"))


@dataclass(frozen=True, slots=True)
class _Backward:
    """One forward-backward.

    Attributes:
        output: of the forward. sizes: of the tensors' numbers.
        reached: gradients with respect to what is written; zero where there is none.
        whole: with respect to the tensors themselves, whoever reads them.
    """

    output: Tensor
    reached: dict[str, Tensor]
    whole: dict[str, Tensor | None]
    sizes: dict[str, float]


def _backward(model: LoadedModel, probe: Probe, names: list[str], weights: Tensor) -> _Backward:
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
            output = model.run(model.batch(probe.even))
        wanted = (*leaves.values(), *own.values())
        made: Sequence[Tensor | None] = [None] * len(wanted)
        if output.requires_grad:
            made = torch.autograd.grad((output * weights).sum(), wanted, allow_unused=True)
    reached = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), made, strict=False)
    }
    return _Backward(output.detach(), reached, dict(zip(own, made[len(leaves) :], strict=True)), sizes)


def _disagreeing(
    model: LoadedModel, probe: Probe, weights: Tensor, sets: Iterable[Sequence[str]], found: _Backward
) -> list[_Trial]:
    """The sets of tensors whose gradients are not the slope along a way through all of the set.

    The way leads uphill, so that the parts of a slope do not cancel.
    """
    batch = model.batch(probe.even)
    ways: dict[str, Tensor] = {}
    trials = [_Trial(tuple(names)) for names in sets]
    generator = torch.Generator().manual_seed(1)
    for t in trials:
        for name in t.names:
            places = places_of(model, batch, probe.one, site_of(model.sites, name).stand, 0)
            gradient = found.reached[name]
            gradient = gradient[places.to(gradient.device)]
            noise = (found.sizes[name] * torch.randn(gradient.shape, generator=generator)).to(gradient)
            ways[name] = torch.where(gradient == 0, noise, noise.abs() * gradient.sign())
            t.slope += float((gradient.double() * ways[name].double()).sum())
    for h in (*_WIDTHS, *(_NARROW if model.dtype == torch.float64 else ())):
        trials = [t for t in trials if not t.agrees(_bar(model.dtype))]
        if not trials:
            break
        for t, near in zip(trials, _slopes(model, probe, weights, [t.names for t in trials], ways, h), strict=True):
            t.found.append(near)
    return [t for t in trials if not t.agrees(_bar(model.dtype))]


@dataclass(slots=True)
class _Trial:
    """One direction: the tensors that it moves, the slope by gradient, and those by difference with their rounding."""

    names: tuple[str, ...]
    slope: float = 0.0
    found: list[tuple[float, float]] = field(default_factory=list)

    def agrees(self, bar: float) -> bool:
        """Whether a difference gives the gradient's slope."""
        return any(abs(s - self.slope) <= bar * self.slope for s, _ in self.found)

    def agrees_roughly(self) -> bool:
        """Whether one does to a hundredth, or as far as rounding lets the widest step.

        Kinks (ReLU, clipping, the choice of experts) may leave no step size at which a difference is better.
        """
        nearest = min(abs(s - self.slope) for s, _ in self.found)
        return nearest <= _ROUGH * self.slope + min(rounding for _, rounding in self.found)

    @property
    def clause(self) -> str:
        """What is said of a tensor that fails."""
        nearest = min((s for s, _ in self.found), key=lambda s: abs(s - self.slope))
        return f"its gradient disagrees with a central difference ({self.slope:.6g} and {nearest:.6g} along one way)"


def _slopes(
    model: LoadedModel, probe: Probe, weights: Tensor, sets: list[tuple[str, ...]], ways: dict[str, Tensor], h: float
) -> list[tuple[float, float]]:
    """The slope along each set's way, and its rounding: one item of a batch for each step of each set."""
    out: list[tuple[float, float]] = []
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

        known: dict[tuple[str, int], Tensor] = {}

        def places(stand: str, item: int, at: Batch = batch, known: dict[tuple[str, int], Tensor] = known) -> Tensor:
            if (stand, item) not in known:
                known[stand, item] = places_of(model, at, probe.one, stand, item)
            return known[stand, item]

        def shift(
            name: str,
            value: Tensor,
            by: dict[str, list[tuple[int, float]]] = wanted,
            places: Callable[[str, int], Tensor] = places,
        ) -> Tensor:
            new = value.clone()
            stand, way = site_of(model.sites, name).stand, ways[name]
            lines = torch.cat([places(stand, item) for item, _ in by[name]]).to(value.device)
            new[lines] = new[lines] + torch.cat([size * way for _, size in by[name]])
            return new

        output = model.forward(batch, wanted, shift)
        values = (output.double() * weights.double()).reshape(len(output), -1).sum(-1).tolist()
        for k in range(len(part)):
            own = values[len(_STEPS) * k : len(_STEPS) * (k + 1)]
            slope = sum(c * v for (_, c), v in zip(_STEPS, own, strict=True)) / h
            out.append((slope, _ROUNDING * max(map(abs, own)) / h))
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
