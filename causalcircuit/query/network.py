"""Networks that are no transformers, as far as they are known without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from causalcircuit.query.program import ModelRef
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import Tower


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one row feeds a network, read off line by line."""

    flat: tuple[float, ...]


def network_table(ref: ModelRef) -> SiteTable:
    """The sites of a network: modules by their path, on as many positions as its input has."""
    positions = ref.shape[0] if len(ref.shape) > 1 else 1
    tower = Tower("", "numbers", 0, 0, 0, 0, 0, causal=False, frames=positions)
    return SiteTable("network", (tower,), ("input",), readout="classes")


def numbers_in(value: Any, shape: tuple[int, ...]) -> Numbers | None:
    """A column's cell as numbers of a shape; `None` where it is something else."""
    flat: list[float] = []

    def take(part: Any, rest: tuple[int, ...]) -> bool:
        if not rest:
            number = isinstance(part, int | float) and math.isfinite(part)
            flat.extend([float(part)] if number else [])
            return number
        return isinstance(part, list) and len(part) == rest[0] and all(take(p, rest[1:]) for p in part)

    if shape == (1,) and not isinstance(value, list):
        value = [value]
    return Numbers(tuple(flat)) if take(value, shape) else None
