"""Images on a page: what a tower sees, with the grid of its patches."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from causalcircuit.query.address import Position

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
        """For the page: drawn anew as PNG, so that nothing but pixels comes along."""
        out: dict[str, Any] = {"rows": self.grid[0], "cols": self.grid[1], "cls": self.cls, "title": self.title[:200]}
        if self.content is not None:
            small = shrunk(self.content, _LARGEST)
            out |= {"src": as_url(small), "width": small.width, "height": small.height}
        return out


def opened(content: bytes | Image) -> Image:
    """The pixels of an image, as RGB.

    Raises:
        PIL.UnidentifiedImageError: the bytes are no image.
    """
    from PIL import Image as images  # noqa: N813 - Pillow is loaded only where an image is drawn

    found = images.open(BytesIO(content)) if isinstance(content, bytes) else content
    return found.convert("RGB")


def shrunk(content: bytes | Image, largest: int) -> Image:
    """An image whose longer side has at most `largest` pixels."""
    image = opened(content)
    share = largest / max(image.size)
    if share >= 1:
        return image
    return image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))


def as_url(image: Image) -> str:
    """An image within a page."""
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
