"""Seconds of a pass: a sum of what it does, each part at the rate that was measured on this machine.

Started blocks, operations in matrices and in attention, numbers that are handled one by one, and weights that are
read. The rates are those of a stored calibration (see `calibration`), or a guess that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

from causalcircuit.engine.cost.dims import ModelDims
from causalcircuit.engine.cost.flops import flops_of
from causalcircuit.engine.cost.shapes import PassShape


@dataclass(frozen=True, slots=True)
class Work:
    """What a pass does.

    Attributes:
        calls: modules that are started. linear, attention: operations. numbers: written one by one.
        weights: bytes of weights that are read. pairs: (row, world) pairs whose assignments and reads are handled.
        passes: passes.
    """

    calls: float = 0.0
    linear: float = 0.0
    attention: float = 0.0
    numbers: float = 0.0
    weights: float = 0.0
    pairs: float = 0.0
    passes: float = 0.0

    def __add__(self, other: Work) -> Work:
        """Both together."""
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds for one unit of each kind of work; `guessed` where they were not measured."""

    calls: float
    linear: float
    attention: float
    numbers: float
    weights: float
    pairs: float
    passes: float
    guessed: bool = False

    def seconds(self, work: Work) -> float:
        """How long the work takes."""
        return float(sum(getattr(self, f.name) * getattr(work, f.name) for f in fields(work)))

    def to_json(self) -> dict[str, float]:
        """As kept in a file."""
        return {k: v for k, v in asdict(self).items() if k != "guessed"}

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Rates | None:
        """From a file; `None` where that holds none."""
        found = {f.name: said.get(f.name) for f in fields(Work)}
        sound = all(isinstance(v, int | float) and 0 <= v < 1e3 for v in found.values())
        return cls(**found) if sound else None  # type: ignore[arg-type]


def guessed(device: str, threads: int) -> Rates:
    """Rates of a usual machine, where none were measured."""
    if device.startswith("cpu"):
        return Rates(1e-5, 3e-11 / threads, 1e-10 / threads, 1e-9 / threads, 1e-10, 2e-4, 1e-3, True)
    return Rates(1e-5, 5e-14, 2e-13, 1e-12, 1e-12, 2e-4, 1e-3, True)


@lru_cache(maxsize=4096)
def work_of(dims: ModelDims, shape: PassShape, pairs: int = 0) -> Work:
    """What a pass of a model does; `pairs` are the rows and worlds in it."""
    flops = flops_of(dims, shape)
    calls = numbers = weights = 0
    for own in shape.towers:
        tower = dims.tower(own.tower)
        for layer in tower.layers[own.start :]:
            calls += layer.modules
            weights += layer.linear * dims.size
            patterns = layer.heads * own.length if dims.eager else 0
            numbers += own.computed * (layer.copies * layer.widest + 8 * tower.width + 3 * patterns)
    weights += dims.unembed * dims.size
    numbers += shape.logits * dims.vocabulary + 6 * shape.read * dims.vocabulary
    return Work(calls, flops.linear + flops.unembedding, flops.attention, numbers, weights, pairs, 1)
