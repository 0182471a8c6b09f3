"""Floating-point operations of a pass: two for each entry of a matrix at each position, and attention by its heads.

What is counted are multiplications of matrices, as by `torch.utils.flop_counter`; norms, activations and sums are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.engine.cost.dims import LayerDims, ModelDims
from causalcircuit.engine.cost.shapes import PassShape, TowerPass


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of a pass, by where they are spent."""

    linear: int = 0
    attention: int = 0
    unembedding: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.linear + self.attention + self.unembedding

    def __add__(self, other: Flops) -> Flops:
        """Both together."""
        return Flops(self.linear + other.linear, self.attention + other.attention, self.unembedding + other.unembedding)


def flops_of(dims: ModelDims, shape: PassShape) -> Flops:
    """The operations of a pass."""
    linear = attention = 0
    for own in shape.towers:
        tower = dims.tower(own.tower)
        other = next((t for t in shape.towers if t.tower != own.tower), None) if tower.tower.cross else None
        if own.start == 0:
            linear += 2 * tower.embed * own.computed
        for i in range(own.start, len(tower.layers)):
            narrowed = own.narrowed if i == len(tower.layers) - 1 else None
            of_layer = _block(tower.layers[i], own, other, narrowed, own.attended and i == own.start)
            linear, attention = linear + of_layer[0], attention + of_layer[1]
    if _sees(dims, shape):
        linear += 2 * dims.merge * shape.merged
    linear += 2 * dims.head * shape.logits + 2 * dims.pooled * shape.towers[-1].items
    return Flops(linear, attention, 2 * dims.unembed * shape.logits)


def _sees(dims: ModelDims, shape: PassShape) -> bool:
    """Whether what stands between an image tower and a language model runs: always, when that runs from its start."""
    last = shape.towers[-1]
    return last.start == 0 and dims.merge > 0


def _block(
    layer: LayerDims, own: TowerPass, other: TowerPass | None, narrowed: int | None, attended: bool
) -> tuple[int, int]:
    rest = own.computed if narrowed is None else min(narrowed, own.computed)
    mixes = 0 if attended else own.computed
    linear = 2 * (layer.seen * mixes + (layer.linear - layer.seen) * rest)
    pair = 4 * layer.heads * layer.head_dim
    attention = pair * mixes * own.length
    if other is not None:
        linear += 2 * layer.cross * other.items * other.length
        attention += pair * own.computed * other.length
    return linear, attention
