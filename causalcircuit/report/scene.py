"""Pictures as rectangles, labels and images, before they are drawn as SVG or PNG; and heat maps as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from causalcircuit.query import Estimate
from causalcircuit.query.showing import Panel, Shown
from causalcircuit.report.colours import RGB, colour, dark
from causalcircuit.report.figures import count, figure, p_value, percent
from causalcircuit.report.formulas import formulas
from causalcircuit.report.safe import clean
from causalcircuit.report.scale import Scale, apart, scale_of

Anchor = Literal["start", "middle", "end"]

INK: RGB = (34, 34, 34)
SOFT: RGB = (110, 110, 110)
NONE: RGB = (238, 238, 238)
PAPER: RGB = (255, 255, 255)
_WIDE, _TALL, _NARROW = 52, 28, 22
_MANY = 24
"""Columns from which on cells are too narrow for their numbers."""
_MARGIN, _TEXT, _LETTER = 24, 13, 0.58
_PALE = 0.25
"""The share of the scale below which a cell is pale enough for grey letters."""
_FORMULA = 110
"""Letters of an estimand from which on it is left to the report."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle; `told` is what a pointer on it is told, `cover` how far it hides what lies below."""

    x: float
    y: float
    width: float
    height: float
    fill: RGB
    told: str = ""
    cover: float = 1.0


@dataclass(frozen=True, slots=True)
class Photo:
    """An image, as PNG, drawn to fill a rectangle."""

    x: float
    y: float
    width: float
    height: float
    content: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text; `x`, `y` is where its baseline begins, has its middle, or ends. `upright` turns it by -90°.

    A `fixed` one keeps its colour where the ground turns dark: it stands on a colour of its own.
    """

    x: float
    y: float
    text: str
    size: int = _TEXT
    anchor: Anchor = "start"
    fill: RGB = INK
    bold: bool = False
    upright: bool = False
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of `width` × `height` points on white; later parts lie above earlier ones."""

    width: float
    height: float
    parts: tuple[Rect | Label | Photo, ...]
    title: str


def scene(shown: Shown) -> Scene:
    """The heat maps of a `show` below each other, with a scale and what they are about."""
    scale = scale_of(shown)
    parts: list[Rect | Label] = []
    first = shown.estimates[0]
    facts = [f"on {shown.data}", count(first.n, "row")]
    facts += [count(first.clusters, "cluster")] if first.clusters else []
    y: float = _MARGIN + 16
    parts.append(Label(_MARGIN, y, clean(shown.name), 17, bold=True))
    y += 20
    parts.append(Label(_MARGIN, y, " · ".join(facts), fill=SOFT))
    estimand = next((said.plain for name, said in formulas(shown.estimates) if name == "estimand"), "")
    if estimand and len(estimand) <= _FORMULA:
        y += 19
        parts.append(Label(_MARGIN, y, clean(estimand), 12, fill=SOFT))
    head = len(parts)
    right: float = 0
    for panel in shown.panels:
        drawn = list(_panel(shown, panel, scale, y + 18))
        parts += drawn
        y = max(_low(p) for p in drawn)
        right = max(right, *(_right(p) for p in drawn))
    drawn = list(_legend(shown, scale, y + 26))
    parts += drawn
    right = max(right, *(_right(p) for p in (*drawn, *parts[:head])))
    return Scene(right + _MARGIN, max(_low(p) for p in drawn) + _MARGIN, tuple(parts), clean(shown.name))


def _panel(shown: Shown, panel: Panel, scale: Scale, top: float) -> Iterator[Rect | Label]:
    columns = [clean(x) for x in panel.columns.labels]
    rows = [clean(x) for x in panel.rows.labels]
    wide = _WIDE if len(columns) <= _MANY else _NARROW
    upright = max(map(long, columns), default=0) > wide - 4
    left = _MARGIN + max([long(x) for x in rows], default=0) + 10 + (22 if panel.rows.title else 0)
    if panel.title:
        top += 18
        yield Label(_MARGIN, top, clean(panel.title), bold=True)
    heading = (max(map(long, columns)) if upright else 16) if columns != [""] else 0
    top += heading + (20 if panel.columns.title else 0) + 8
    middle = left + wide * len(columns) / 2
    if panel.columns.title:
        yield Label(middle, top - heading - 14, clean(panel.columns.title), anchor="middle", fill=SOFT)
    for j, said in enumerate(columns):
        x = left + wide * (j + 0.5)
        yield Label(x + (5 if upright else 0), top - 6, said, anchor="start" if upright else "middle", upright=upright)
    if panel.rows.title:
        yield Label(
            _MARGIN + 10, top + _TALL * len(rows) / 2, clean(panel.rows.title),
            anchor="middle", fill=SOFT, upright=True,
        )  # fmt: skip
    for i, (said, places) in enumerate(zip(rows, panel.cells, strict=True)):
        y = top + _TALL * i
        yield Label(left - 8, y + _TALL / 2 + 5, said, anchor="end")
        for j, place in enumerate(places):
            yield from _cell(shown, place, scale, Rect(left + wide * j, y, wide - 1, _TALL - 1, NONE))


def _cell(shown: Shown, place: int | None, scale: Scale, box: Rect) -> Iterator[Rect | Label]:
    if place is None:
        told = "no path to what is read, or no member of the sweep" if shown.left_out else "no member of the sweep"
        yield Rect(box.x, box.y, box.width, box.height, box.fill, told)
        return
    e = shown.estimates[place]
    fill = NONE if e.value is None else colour(scale.share(e.value))
    yield Rect(box.x, box.y, box.width, box.height, fill, _told(shown, place))
    ink = PAPER if dark(fill) else INK
    x, y = box.x + box.width / 2, box.y + box.height / 2
    said = "?" if e.value is None else scale.text(e.value).replace("-", "−")
    if box.width >= _WIDE - 1:
        pale = e.value is None or abs(scale.share(e.value)) < _PALE
        yield Label(x, y + 4, said, 12, "middle", SOFT if pale and not apart(e) else ink, bold=apart(e), fixed=True)
    elif apart(e):
        yield Rect(x - 2, y - 2, 4, 4, ink)


def _told(shown: Shown, place: int) -> str:
    e: Estimate = shown.estimates[place]
    member = ", ".join(clean(said) for _, said in e.at)
    value = "undefined" if e.value is None else f"{e.value:.4g} {e.unit}".rstrip()
    ends = "" if e.interval is None else f" [{e.interval.low:.4g}, {e.interval.high:.4g}]"
    p = f", adjusted p {p_value(shown.p_adjusted[place])}" if shown.p else ""
    return f"{member}: {value}{ends}{p}"


def scale_bar(scale: Scale, unit: str, top: float, *, both: bool = True) -> Iterator[Rect | Label]:
    """The colours from the lowest value (0 where not `both` signs occur) to the highest, with numbers below."""
    steps, wide = 41, 5
    low = -1.0 if both else 0.0
    for k in range(steps):
        yield Rect(_MARGIN + wide * k, top, wide + 0.5, 12, colour(low + (1 - low) * k / (steps - 1)))
    length = wide * steps
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        said = figure((low + (1 - low) * part) * scale.most, scale.places).replace("-", "−")
        yield Label(_MARGIN + length * part, top + 26, said, 11, _as_anchor(anchor), SOFT)
    if unit:
        yield Label(_MARGIN + length + 10, top + 11, unit, 11, fill=SOFT)


def _legend(shown: Shown, scale: Scale, top: float) -> Iterator[Rect | Label]:
    yield from scale_bar(scale, shown.unit if shown.unit not in ("", "ratio") else "", top)
    y = top + 46
    bold = "Bold" if max(len(p.columns.labels) for p in shown.panels) <= _MANY else "Dotted"
    lines = []
    if any(apart(e) for e in shown.estimates):
        together = f", together with {shown.family - 1} others," if shown.family > 1 else ""
        lines.append(f"{bold}: the {percent(shown.level)} interval{together} excludes 0.")
    if any(place is None for p in shown.panels for row in p.cells for place in row):
        lines.append("Grey: " + ("no path to what is read." if shown.left_out else "no member of the sweep."))
    for line in lines:
        yield Label(_MARGIN, y, line, 11, fill=SOFT)
        y += 16


def _as_anchor(word: str) -> Anchor:
    return "start" if word == "start" else "middle" if word == "middle" else "end"


def long(text: str, size: int = _TEXT) -> float:
    """About how wide a text is drawn."""
    return len(text) * size * _LETTER


def _right(p: Rect | Label) -> float:
    if isinstance(p, Rect):
        return p.x + p.width
    if p.upright:
        return p.x + p.size
    share = {"start": 1.0, "middle": 0.5, "end": 0.0}[p.anchor]
    return p.x + share * long(p.text, p.size) * (1.08 if p.bold else 1.0)


def _low(p: Rect | Label) -> float:
    return p.y + (p.height if isinstance(p, Rect) else 4)
