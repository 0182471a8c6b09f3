"""Bytes that a pass needs beside the weights: a model of what lives at once, rather too large than too small.

Of a block only its widest moment lives at a time: inside attention, or inside the MLP; at the end there are logits. The
constants were found by counting torch's allocations over families (see docs/planning.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.engine.cost.dims import LayerDims, ModelDims, TowerDims
from causalcircuit.engine.cost.shapes import PassShape, TowerPass

_STREAMS = 4
"""Vectors of the stream's width beside the MLP's: the stream, its norm, what is added."""
_OPERANDS = 8
"""The same beside attention: queries, keys and values, as they come, rotated, repeated and joined."""
_PATTERNS = 3
"""Patterns that live at once under eager attention: scores, masked, in the softmax."""
_READ = 6
"""Numbers of a distribution that is read, in units of a logit: float64 copies and what is left in the log."""

_SPARE = 1.1
"""For what is alive for a moment only."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes.

    Attributes:
        weights: of parameters and buffers. activations: of the widest moment of a pass, logits among them.
        kept: what is kept for other passes.
    """

    weights: int
    activations: int
    kept: int

    @property
    def total(self) -> int:
        """All of them together."""
        return self.weights + self.activations + self.kept


def memory_of(dims: ModelDims, shape: PassShape) -> Memory:
    """What a pass needs."""
    widest = max((_tower(dims, t) for t in shape.towers), default=0)
    last = dims.tower(shape.towers[-1].tower)
    stream = sum(t.computed * dims.tower(t.tower).width for t in shape.towers)
    # A picture's numbers: as many as a line of the convolution over its patches reads.
    fed = sum(t.computed * dims.tower(t.tower).embed // max(1, dims.tower(t.tower).width) for t in shape.towers)
    logits = shape.logits * (dims.vocabulary + last.width) + _READ * shape.read * dims.vocabulary
    activations = int(_SPARE * (max(widest, logits) + stream + fed))
    return Memory(dims.weights, activations * dims.size, int(_SPARE * kept_of(dims, shape)) * dims.size)


def kept_of(dims: ModelDims, shape: PassShape) -> int:
    """Numbers that a recorded pass keeps: each block's output, what its attention mixed, perhaps keys and values."""
    total = 0
    for own in shape.towers if shape.recorded else ():
        tower = dims.tower(own.tower)
        total += 2 * len(tower.layers) * own.computed * tower.width
        if shape.cached:
            total += sum(x.seen // tower.width - x.heads * x.head_dim for x in tower.layers) * own.computed
    return total


def _tower(dims: ModelDims, own: TowerPass) -> int:
    tower = dims.tower(own.tower)
    if own.start >= len(tower.layers):
        return 0
    return max(_layer(dims, tower, x, own) for x in tower.layers[own.start :])


def _layer(dims: ModelDims, tower: TowerDims, layer: LayerDims, own: TowerPass) -> int:
    inside = layer.copies * layer.widest + _STREAMS * tower.width
    patterns = _PATTERNS * layer.heads * own.length if dims.eager else 0
    beside = _OPERANDS * max(tower.width, layer.heads * layer.head_dim) + patterns + 2 * own.length
    return own.computed * max(inside, beside)
