"""One row as a model reads it, for pictures: its tokens, and its images as the towers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causalcircuit.query.address import Position


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image as a tower sees it: resized, cropped, and cut into patches.

    Attributes:
        tower: as addresses name it. content: PNG. grid: rows and columns of its patches.
        first: the position of the first patch; those before it are no patches.
    """

    tower: str
    content: bytes = field(repr=False)
    grid: tuple[int, int]
    first: int = 0


@dataclass(frozen=True, slots=True)
class TypicalRow:
    """A row of the data that a circuit was attributed on. It goes into pages to look at, and into no other file.

    Attributes:
        row: its number in the file. data: the label of the data. world: what it was read in, as written.
        tokens: by tower. images: one a tower that sees some.
        places: by tower, where positions that differ from row to row lie in this one.
    """

    row: int
    data: str
    world: str
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[SeenImage, ...] = ()
    places: Mapping[tuple[str, Position], int] = field(default_factory=dict)
