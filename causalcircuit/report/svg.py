"""A scene as SVG: one file, no script, no font of its own."""

from __future__ import annotations

from xml.sax.saxutils import escape

from causalcircuit.report.colours import hex_of
from causalcircuit.report.photo import as_url
from causalcircuit.report.scene import INK, NONE, PAPER, SOFT, Label, Photo, Rect, Scene

_FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"

_NIGHT = {INK: ("ink", "#e6e8ee"), SOFT: ("soft", "#a2a8b6"), PAPER: ("paper", "#14171d"), NONE: ("none", "#2b303b")}
"""What letters, ground and empty cells turn into where the reader's screen is dark."""
STYLE = "@media (prefers-color-scheme: dark){" + "".join(f".{c}{{fill:{v}}}" for c, v in _NIGHT.values()) + "}"


def svg(scene: Scene) -> str:
    """The picture, light or dark as the reader's screen is; a pointer on a cell is told its member, value and more."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(scene.width)}" height="{_n(scene.height)}" '
        f'viewBox="0 0 {_n(scene.width)} {_n(scene.height)}" font-family="{_FONT}" role="img">',
        f"<title>{_text(scene.title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="100%" height="100%" fill="{hex_of(PAPER)}" class="{_NIGHT[PAPER][0]}"/>',
        *(_part(p) for p in scene.parts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _part(p: Rect | Label | Photo) -> str:
    if isinstance(p, Photo):
        place = f'x="{_n(p.x)}" y="{_n(p.y)}" width="{_n(p.width)}" height="{_n(p.height)}"'
        return f'<image {place} preserveAspectRatio="none" href="{as_url(p.content)}"/>'
    return _rect(p) if isinstance(p, Rect) else _label(p)


def _rect(r: Rect) -> str:
    shape = f'<rect x="{_n(r.x)}" y="{_n(r.y)}" width="{_n(r.width)}" height="{_n(r.height)}" fill="{hex_of(r.fill)}"'
    if r.fill == NONE:
        shape += f' class="{_NIGHT[NONE][0]}"'
    if r.cover < 1:
        shape += f' fill-opacity="{r.cover:.3f}"'
    return f"{shape}><title>{_text(r.told)}</title></rect>" if r.told else f"{shape}/>"


def _label(t: Label) -> str:
    extra = ' font-weight="bold"' if t.bold else ""
    if t.anchor != "start":
        extra += f' text-anchor="{t.anchor}"'
    if t.fill in _NIGHT and not t.fixed:
        extra += f' class="{_NIGHT[t.fill][0]}"'
    if t.upright:
        extra += f' transform="rotate(-90 {_n(t.x)} {_n(t.y)})"'
    place = f'x="{_n(t.x)}" y="{_n(t.y)}" font-size="{t.size}" fill="{hex_of(t.fill)}"{extra} xml:space="preserve"'
    return f"<text {place}>{_text(t.text)}</text>"


def _text(text: str) -> str:
    return escape(text.replace("\n", " "))


def _n(x: float) -> str:
    return f"{x:.2f}".rstrip("0").rstrip(".")
