"""Where methods are found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from causalcircuit.attribution.bench import Chunk

Score = Callable[..., Tensor]
"""Of a chunk and the method's numbers: [rows, wires] or [rows, nodes], in units of the readout."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A method: what it scores, and how."""

    name: str
    of: Literal["wires", "nodes"]
    score: Score

    def __call__(self, chunk: Chunk, *numbers: float) -> Tensor:
        """The scores on a chunk of rows."""
        return self.score(chunk, *numbers)


METHODS: dict[str, Scored] = {}


def method(name: str, of: Literal["wires", "nodes"] = "wires") -> Callable[[Score], Score]:
    """Register a method under its name in the language."""

    def register(score: Score) -> Score:
        METHODS[name] = Scored(name, of, score)
        return score

    return register
