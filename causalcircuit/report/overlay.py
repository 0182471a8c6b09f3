"""A grid of values over the image whose patches they belong to: strong ones cover it, weak ones let it through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import error
from causalcircuit.report.colours import colour
from causalcircuit.report.figures import figure
from causalcircuit.report.figures_page import figures_page
from causalcircuit.report.photo import as_png, shrunk
from causalcircuit.report.safe import clean
from causalcircuit.report.scale import Scale
from causalcircuit.report.scene import INK, PAPER, SOFT, Label, Photo, Rect, Scene, scale_bar
from causalcircuit.report.svg import svg

if TYPE_CHECKING:
    from PIL.Image import Image

Grid = Sequence[Sequence[float | None]]

_SIDE = 448
"""Points of the image's longer side."""
_MARGIN = 24
_MOST = 0.78
"""How far the strongest value covers the image."""
_NUMBERED = 44
"""Points of a patch from which on its number is written into it."""
_WORTH = 0.1
"""The share of the strongest value below which no number is written."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A heat map over an image."""

    scene: Scene

    def svg(self) -> str:
        """As SVG; a pointer on a patch is told its value."""
        return svg(self.scene)

    def png(self) -> bytes:
        """As PNG, at two pixels a point."""
        from causalcircuit.report.png import png

        return png(self.scene)

    def html(self) -> str:
        """As a page of its own, without script and network."""
        return figures_page(self.scene.title, [self.scene])


def overlay(image: bytes | Image, grid: Grid, *, title: str = "", unit: str = "") -> Overlay:
    """Lay values over the patches of an image, row by row from the upper left.

    Args:
        image: a file's bytes, or a Pillow image. grid: a value for each patch; `None` where there is none.
        title: above it. unit: of the values.

    Raises:
        DiagnosticError: CQ780, the grid is empty, ragged or not finite; CQ781, the image cannot be read.
    """
    _check(grid)
    small = shrunk(image, 2 * _SIDE)
    share = _SIDE / max(small.size)
    wide, tall = small.width * share, small.height * share
    most = max((abs(v) for row in grid for v in row if v is not None), default=0.0)
    scale = Scale(most or 1.0, max(0, 2 - math.floor(math.log10(most))) if most > 0 else 0)
    said = clean(title)
    top = _MARGIN + (26 if said else 0)
    parts: list[Rect | Label | Photo] = [Label(_MARGIN, _MARGIN + 14, said, 17, bold=True)] if said else []
    parts.append(Photo(_MARGIN, top, wide, tall, as_png(small)))
    parts += _patches(grid, scale, unit, Rect(_MARGIN, top, wide, tall, PAPER))
    parts += scale_bar(scale, unit if unit != "ratio" else "", top + tall + 18)
    return Overlay(
        Scene(max(wide, 320) + 2 * _MARGIN, top + tall + 18 + 34 + _MARGIN, tuple(parts), said or "heat map")
    )


def _patches(grid: Grid, scale: Scale, unit: str, box: Rect) -> Iterator[Rect | Label]:
    rows, columns = len(grid), len(grid[0])
    wide, tall = box.width / columns, box.height / rows
    for i, row in enumerate(grid):
        for j, value in enumerate(row):
            x, y = box.x + j * wide, box.y + i * tall
            place = f"patch {i * columns + j} (row {i}, column {j})"
            if value is None:
                yield Rect(x, y, wide, tall, PAPER, f"{place}: no value", 0.0)
                continue
            share = scale.share(value)
            told = f"{place}: {value:.4g} {unit}".rstrip()
            yield Rect(x, y, wide, tall, colour(math.copysign(1.0, share)), told, _MOST * abs(share))
            if min(wide, tall) >= _NUMBERED and abs(share) >= _WORTH:
                number = figure(value, scale.places).replace("-", "−")
                yield Rect(x + wide / 2 - 22, y + tall / 2 - 9, 44, 18, PAPER, told, 0.7)
                yield Label(x + wide / 2, y + tall / 2 + 5, number, 12, "middle", INK, fixed=True)
    for j in range(columns + 1):
        yield Rect(box.x + j * wide - 0.25, box.y, 0.5, box.height, SOFT, "", 0.5)
    for i in range(rows + 1):
        yield Rect(box.x, box.y + i * tall - 0.25, box.width, 0.5, SOFT, "", 0.5)


def _check(grid: Grid) -> None:
    if not grid or not len(grid[0]) or any(len(row) != len(grid[0]) for row in grid):
        lengths = sorted({len(row) for row in grid})
        raise error(
            "CQ780",
            f"a heat map over an image needs rows of one length, and these have {lengths or 'none'}",
            help="give one row of values for each row of patches",
        )
    if any(v is not None and not math.isfinite(v) for row in grid for v in row):
        raise error("CQ780", "a value of a heat map over an image is not finite", help="leave it out with `None`")
