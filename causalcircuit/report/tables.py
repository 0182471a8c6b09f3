"""The numbers of a block as one table: names, values, intervals and their picture; verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from causalcircuit.query import Estimate, Tested, Verdict
from causalcircuit.query.showing import Shown
from causalcircuit.report.blocks import Answer, axes_of, shared_ends, swept
from causalcircuit.report.figures import bounds, decimals, figure, p_value, percent
from causalcircuit.report.picture import Axis, axes
from causalcircuit.report.safe import clean, words
from causalcircuit.report.scale import scale_of

X = TypeVar("X", Estimate, Tested, Answer)

COLOURS: dict[Verdict, str] = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}
_GAP = 2
_NAME, _PICTURE = 34, (12, 30)
_PLAIN_UNITS = ("", "ratio")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its title, its cells, and whether it may be folded, stands right, or is drawn last."""

    title: str
    cells: list[Text]
    right: bool = False
    fold: bool = False

    @property
    def width(self) -> int:
        return max(len(self.title), *(c.cell_len for c in self.cells))


def estimate_table(block: Sequence[Estimate], width: int) -> Table:
    """A line for each estimate, no wider than `width` cells."""
    columns = [*_names(block), *_values(block)]
    if len({(e.n, e.clusters) for e in block}) > 1:
        columns.append(_column("rows", block, lambda e: f"{e.n:,}", right=True))
        if any(e.clusters is not None for e in block):
            columns.append(_column("clusters", block, _clusters, right=True))
    if any(e.p is not None for e in block):
        columns.append(_column("p", block, lambda e: "" if e.p is None else p_value(e.p), right=True))
    return _table(columns, block, width)


def test_table(block: Sequence[Tested], width: int) -> Table:
    """A line for each claim, no wider than `width` cells."""
    verdicts = _Column("verdict", [Text(t.verdict, style=f"bold {COLOURS[t.verdict]}") for t in block])
    columns = [*_names(block), verdicts, *_values(block, units=False)]
    columns.append(_column("p", block, lambda t: p_value(t.p), right=True))
    if block[0].correction != "none":
        columns.append(_column("adjusted", block, lambda t: p_value(t.p_adjusted), right=True))
    if len({t.region for t in block}) > 1:
        columns.append(_column("claimed", block, lambda t: _short(t.region, t.unit), fold=True))
    return _table(columns, block, width)


def shown_table(shown: Shown, listed: Sequence[int], width: int) -> Table:
    """A line for each estimate of a `show`, in the order that is given, no wider than `width` cells."""
    block = [shown.estimates[i] for i in listed]
    together = f"{percent(shown.level)} simultaneous" if shown.family > 1 else ""
    names = _coordinates(shown, listed) if shown.panels else _names(block)
    columns = [*names, *_values(block, interval=together, finest=scale_of(shown).places + 2)]
    if shown.p:
        columns.append(_Column("p", [Text(p_value(shown.p[i])) for i in listed], right=True))
        if shown.family > 1:
            columns.append(_Column("adjusted", [Text(p_value(shown.p_adjusted[i])) for i in listed], right=True))
    return _table(columns, block, width)


def _coordinates(shown: Shown, listed: Sequence[int]) -> list[_Column]:
    """Where on its maps each estimate lies: the map, the line and the column."""
    at: dict[int, tuple[str, str, str]] = {}
    for panel in shown.panels:
        for line, places in zip(panel.rows.labels, panel.cells, strict=True):
            for label, place in zip(panel.columns.labels, places, strict=True):
                if place is not None:
                    at[place] = (panel.title, line, label)
    first = shown.panels[0]
    titles = ("", first.rows.title, first.columns.title)
    cells = [[words(at[i][k]) for i in listed] for k in range(3)]
    return [_Column(clean(t), c, fold=True) for t, c in zip(titles, cells, strict=True) if any(x.plain for x in c)]


def _short(region: str, unit: str) -> str:
    """A region with its unit said once: `within [-0.1, 0.1] logit`."""
    return region.replace(f" {unit},", ",").replace(f" {unit}]", f"] {unit}") if unit else region


def _clusters(e: Answer) -> str:
    return "" if e.clusters is None else f"{e.clusters:,}"


def _names(block: Sequence[Answer]) -> list[_Column]:
    """Who a line is about: the name where there are several, then the member of each axis."""
    on = axes_of(block)
    out = []
    if not on or len({x.name for x in block}) > 1:
        names = [x.name for x in block]
        shown = ["" if on and i and names[i - 1] == name else name for i, name in enumerate(names)]
        out.append(_Column("", [words(n, "bold") for n in shown], fold=True))
    for axis in on:
        before, after = shared_ends(block, axis) if axis in swept(block) else ("", "")
        members = [dict(x.at).get(axis, "").removeprefix(before).removesuffix(after) for x in block]
        cells = [words(member, "" if out else "bold") for member in members]
        out.append(_Column(clean(axis.removeprefix("row.")), cells, fold=True))
    return out


def _values(block: Sequence[Answer], units: bool = True, interval: str = "", finest: int = 99) -> list[_Column]:
    """The numbers, with `finest` decimal places at most; `interval` is the title of the intervals of a family."""
    places = [min(finest, _places(x)) for x in block]
    columns = [
        _Column("value", [_value(x, d) for x, d in zip(block, places, strict=True)], right=True),
    ]
    if units and any(x.unit not in _PLAIN_UNITS for x in block):
        columns.append(_column("", block, lambda x: "" if _unknown(x) or x.unit in _PLAIN_UNITS else x.unit))
    if any(x.interval is not None for x in block):
        levels = {x.level for x in block}
        title = interval or (f"{percent(block[0].level)} interval" if len(levels) == 1 else "interval")
        cells = [Text("" if x.interval is None else bounds(x.interval, d)) for x, d in zip(block, places, strict=True)]
        if len(levels) > 1:
            cells = [c + Text(f" at {percent(x.level)}") if c.plain else c for c, x in zip(cells, block, strict=True)]
        columns.append(_Column(title, cells))
    return columns


def _places(x: Answer) -> int:
    """How many decimal places the numbers of an answer need."""
    if isinstance(x, Estimate) and x.bounds is not None:
        return max(decimals(end, x.bounds) for end in (x.bounds.low, x.bounds.high))
    return 0 if x.value is None else decimals(x.value, x.interval)


def _value(x: Answer, places: int) -> Text:
    if isinstance(x, Estimate) and x.bounds is not None:
        return Text(f"{figure(x.bounds.low, places)} to {figure(x.bounds.high, places)}", "bold")
    return Text("undefined", "italic") if x.value is None else Text(figure(x.value, places), "bold")


def _unknown(x: Answer) -> bool:
    """Whether there is no number to have a unit."""
    return x.value is None and not (isinstance(x, Estimate) and x.bounds is not None)


def _column(
    title: str, block: Sequence[X], text: Callable[[X], str], right: bool = False, fold: bool = False
) -> _Column:
    return _Column(title, [words(text(x)) for x in block], right, fold)


def _table(columns: list[_Column], block: Sequence[Answer], width: int) -> Table:
    """Columns side by side; what room is left goes to the picture of the intervals."""
    taken = sum(min(c.width, _NAME) if c.fold else c.width for c in columns) + _GAP * len(columns)
    cells = min(_PICTURE[1], width - taken)
    if cells >= _PICTURE[0] and any(x.interval is not None for x in block):
        columns.append(_pictures(block, cells))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim", expand=False)
    for column in columns:
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold" if column.fold else "crop",
            max_width=_NAME if column.fold else None,
            min_width=None if column.fold else column.width,
        )
    for line in zip(*(c.cells for c in columns), strict=True):
        table.add_row(*line)
    return table


def _pictures(block: Sequence[Answer], cells: int) -> _Column:
    points: dict[str, list[float]] = {}
    for x in block:
        points.setdefault(x.unit, []).extend(_points(x))
    scale: dict[str, Axis] = axes(points, cells)
    drawn = ["" if x.value is None else scale[x.unit].draw(x.value, x.interval) for x in block]
    return _Column(" " * scale[block[0].unit].zero + "0", [Text(d, "cyan") for d in drawn])


def _points(x: Answer) -> list[float]:
    """What the picture of an answer must hold; an infinite end needs room for its arrow."""
    if x.value is None or x.interval is None:
        return [] if x.value is None else [x.value]
    room = 0.2 * max(abs(p) for p in (x.value, x.interval.low, x.interval.high) if math.isfinite(p))
    low, high = max(x.interval.low, x.value - room), min(x.interval.high, x.value + room)
    ends = zip((x.interval.low, x.interval.high), (low, high), strict=True)
    return [x.value, *(end if math.isfinite(end) else arrow for end, arrow in ends)]
