"""Where methods are found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from causalcircuit.attribution.bench import Chunk
from causalcircuit.attribution.nodes import NodeChunk

Score = Callable[..., Any]
"""Of a chunk and the method's numbers: [rows, wires] or [rows, nodes], in units of the readout."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A method: what it scores, and how.

    Attributes:
        name: in the language. of: what it scores. score: the method itself.
        whole: it is asked once, with the bench, the wires considered and what hears of its rows, where others are asked
            for each chunk of rows; it gives the row passes it took beside its scores.
    """

    name: str
    of: Literal["wires", "nodes"]
    score: Score
    whole: bool = False

    def __call__(self, chunk: Chunk | NodeChunk, *numbers: float) -> Tensor:
        """The scores on a chunk of rows."""
        found: Tensor = self.score(chunk, *numbers)
        return found


METHODS: dict[str, Scored] = {}


def method(name: str, of: Literal["wires", "nodes"] = "wires", *, whole: bool = False) -> Callable[[Score], Score]:
    """Register a method under its name in the language."""

    def register(score: Score) -> Score:
        METHODS[name] = Scored(name, of, score, whole)
        return score

    return register
