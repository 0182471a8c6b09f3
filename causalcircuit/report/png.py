"""A scene as PNG, drawn by Pillow with the font that it brings along."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from causalcircuit.report.scene import INK, NONE, PAPER, SOFT, Label, Photo, Rect, Scene

_SHARP = 2
"""Pixels a point, so that letters stay sharp on dense screens and in print."""
_NIGHT = {INK: (230, 232, 238), SOFT: (162, 168, 182), PAPER: (20, 23, 29), NONE: (43, 48, 59)}


def png(scene: Scene, *, dark: bool = False) -> bytes:
    """The picture, at two pixels a point; `dark` letters are light on a dark ground."""
    size = round(scene.width * _SHARP), round(scene.height * _SHARP)
    image = Image.new("RGB", size, _NIGHT[PAPER] if dark else PAPER)
    canvas = ImageDraw.Draw(image)
    for part in map(_nightly, scene.parts) if dark else scene.parts:
        if isinstance(part, Photo):
            _photo(image, part)
        elif isinstance(part, Rect) and part.cover < 1:
            _glass(image, part)
        elif isinstance(part, Rect):
            _rect(canvas, part)
        else:
            _label(image, canvas, part)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _nightly(part: Rect | Label | Photo) -> Rect | Label | Photo:
    """The same for a dark ground."""
    if (isinstance(part, Label) and not part.fixed) or (isinstance(part, Rect) and part.fill == NONE):
        return replace(part, fill=_NIGHT.get(part.fill, part.fill))
    return part


def _rect(canvas: ImageDraw.ImageDraw, r: Rect) -> None:
    left, top, right, low = _box(r)
    canvas.rectangle((left, top, right - 1, low - 1), fill=r.fill)


def _glass(image: Image.Image, r: Rect) -> None:
    box = _box(r)
    below = image.crop(box)
    image.paste(Image.blend(below, Image.new("RGB", below.size, r.fill), r.cover), box)


def _photo(image: Image.Image, p: Photo) -> None:
    left, top, right, low = _box(p)
    image.paste(Image.open(BytesIO(p.content)).convert("RGB").resize((right - left, low - top)), (left, top))


def _box(r: Rect | Photo) -> tuple[int, int, int, int]:
    """The pixels of a rectangle, one at least; the right and lower ends do not belong to it."""
    left, top = round(r.x * _SHARP), round(r.y * _SHARP)
    right, low = round((r.x + r.width) * _SHARP), round((r.y + r.height) * _SHARP)
    return left, top, max(left + 1, right), max(top + 1, low)


def _label(image: Image.Image, canvas: ImageDraw.ImageDraw, t: Label) -> None:
    font = _font(t.size * _SHARP)
    said = t.text.replace("−", "-")  # the font has no minus sign
    stroke = 0.6 if t.bold else 0
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[t.anchor]
    length = font.getlength(said)
    x, y = t.x * _SHARP, t.y * _SHARP
    if not t.upright:
        canvas.text((x - share * length, y), said, t.fill, font, anchor="ls", stroke_width=stroke)
        return
    ascent, descent = font.getmetrics()
    layer = Image.new("L", (int(length) + 4, ascent + descent), 0)
    ImageDraw.Draw(layer).text((1, ascent), said, 255, font, anchor="ls", stroke_width=stroke)
    turned = layer.rotate(90, expand=True)
    low = y + share * length
    image.paste(t.fill, (round(x - ascent), round(low - turned.height)), turned)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):  # pragma: no cover - Pillow's wheels have FreeType
        raise RuntimeError("this Pillow has no FreeType: PNG pictures need it")
    return found
