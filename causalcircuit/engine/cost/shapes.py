"""What one forward pass computes, as far as its cost depends on it. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TowerPass:
    """The share of one tower in a pass.

    Attributes:
        tower: its name. items: lines of the batch, padded to one length; images or tiles for an image tower.
        length: positions of a line, padding included: what its queries may see.
        first: the first position that is computed; what stands before comes from kept keys and values.
        start: the first block that runs; all of them from 0, none of them from the number of layers on.
        narrowed: positions, over all lines, at which the last block computes what follows its attention; `None` for
            all of them.
        attended: whether the first block that runs takes over what its attention mixed, up to the output projection.
    """

    tower: str
    items: int
    length: int
    first: int = 0
    start: int = 0
    narrowed: int | None = None
    attended: bool = False

    @property
    def computed(self) -> int:
        """Positions that its blocks compute, over all lines."""
        return self.items * (self.length - self.first)


@dataclass(frozen=True, slots=True)
class PassShape:
    """One forward pass of a model.

    Attributes:
        towers: in order of computation.
        logits: positions, over all lines, that are unembedded; an item of a classifier or of two towers is one.
        merged: positions, over all lines, that an image has in the stream of a language model.
        read: distributions that are looked at: answers and whole ones.
        recorded: whether the outputs of all blocks are kept for other passes; cached: whether keys and values are.
    """

    towers: tuple[TowerPass, ...]
    logits: int
    merged: int = 0
    read: int = 0
    recorded: bool = False
    cached: bool = False

    @property
    def positions(self) -> int:
        """Positions that are computed, over all towers and lines."""
        return sum(t.computed for t in self.towers)
