"""Images on a page: what a tower sees, with the grid of its patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from causalcircuit.query.address import Position
from causalcircuit.query.circuits.typical import SeenImage
from causalcircuit.report.photo import as_png, as_url, shrunk

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST = 448
"""Pixels of the longer side that a page carries."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """The image that a tower sees.

    Attributes:
        content: a file's bytes, or a Pillow image; `None` where only the grid is to be drawn.
        grid: rows and columns of its patches.
        tower: as addresses name it. cls: leading positions of the tower that are no patches.
        title: what it shows, for those who cannot see it.
    """

    content: bytes | Image | None
    grid: tuple[int, int]
    tower: str = "vision"
    cls: int = 0
    title: str = "the image"

    def patch(self, position: Position, tower: str) -> int | None:
        """The patch that a position of `tower` is, counted along the rows; `None` where it is none."""
        at: int | None = None
        if position.kind == "image" and position.index is not None:
            at = position.index + position.offset
        elif position.kind == "index" and position.index is not None and tower == self.tower:
            at = position.index + position.offset - self.cls
        return at if at is not None and 0 <= at < self.grid[0] * self.grid[1] else None

    def data(self) -> dict[str, Any]:
        """For the page.

        Raises:
            DiagnosticError: CQ781, the image cannot be read.
        """
        out: dict[str, Any] = {"rows": self.grid[0], "cols": self.grid[1], "cls": self.cls, "title": self.title[:200]}
        if self.content is not None:
            small = shrunk(self.content, _LARGEST)
            out |= {"src": as_url(as_png(small)), "width": small.width, "height": small.height}
        return out


def seen_image(image: SeenImage) -> PageImage:
    """What a run saw of a row, for a page."""
    return PageImage(image.content, image.grid, image.tower, image.first, f"the image as `{image.tower}` sees it")
