"""Heat maps for a terminal: numbers on colours, which say the same without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from causalcircuit.query import Estimate
from causalcircuit.query.showing import Axis, Panel, Shown
from causalcircuit.report.colours import colour, dark, hex_of
from causalcircuit.report.figures import percent
from causalcircuit.report.safe import clean
from causalcircuit.report.scale import EMPTY, Scale, apart, scale_of

_MARK = "*"
Cell = Callable[[Estimate], str]


def heat(shown: Shown, width: int) -> Iterator[Text]:
    """The maps of a `show`, no wider than `width` cells, and the line that explains them."""
    scale = scale_of(shown)
    rough = Scale(scale.most, max(0, scale.places - 1))
    marked = any(apart(e) for e in shown.estimates)

    def number(e: Estimate) -> str:
        mark = _MARK if apart(e) else " "
        return ("?" if e.value is None else scale.text(e.value)) + (mark if marked else "")

    def coarse(e: Estimate) -> str:
        mark = _MARK if apart(e) else " "
        return ("?" if e.value is None else rough.text(e.value)) + (mark if marked else "")

    def digit(e: Estimate) -> str:
        mark = _MARK if apart(e) else " "
        return (" ?" if e.value is None else scale.digit(e.value)) + (mark if marked else "")

    panels, cell = _fitting(shown, width, (number, coarse, digit))
    for panel in panels:
        yield from _panel(shown, panel, cell, scale, width)
        yield Text()
    yield _legend(shown, scale, marked, compact=cell is digit)


def _fitting(shown: Shown, width: int, cells: tuple[Cell, ...]) -> tuple[list[Panel], Cell]:
    """The maps, turned where only that fits, with the first kind of cells that does; cut where none fits."""
    digit = cells[-1]
    turned = [_turned(p) for p in shown.panels]
    for cell in cells:
        for panels in (list(shown.panels), turned):
            if all(_width(shown, p, cell) <= width for p in panels):
                return panels, cell
    narrow = min((list(shown.panels), turned), key=lambda ps: max(_width(shown, p, digit) for p in ps))
    return [part for p in narrow for part in _cut(shown, p, digit, width)], digit


def _panel(shown: Shown, panel: Panel, cell: Cell, scale: Scale, width: int) -> Iterator[Text]:
    if panel.title:
        yield Text(clean(panel.title), "bold")
    lead, each = _lead(panel), _each(shown, panel, cell)
    title = panel.columns.title
    if panel.rows.title or title:
        yield Text(clean(f"{panel.rows.title:<{lead}} {title}").rstrip(), "dim")
    labels = "".join(f" {_short(label, each):>{each}}" for label in panel.columns.labels)
    if panel.columns.labels != ("",):
        yield Text(f"{'':<{lead}}{labels}", "dim")
    for label, places in zip(panel.rows.labels, panel.cells, strict=True):
        line = Text()
        line.append(f"{_short(label, lead):<{lead}}", "dim")
        for place in places:
            line.append(" ")
            line.append(_drawn(None if place is None else shown.estimates[place], cell, each, scale))
        yield line


def _drawn(e: Estimate | None, cell: Cell, each: int, scale: Scale) -> Text:
    if e is None or e.value is None:
        return Text(f"{EMPTY if e is None else cell(e):>{each}}", "dim")
    rgb = colour(scale.share(e.value))
    bold = "bold " if apart(e) else ""
    return Text(f"{cell(e):>{each}}", f"{bold}{'white' if dark(rgb) else 'black'} on {hex_of(rgb)}")


def _legend(shown: Shown, scale: Scale, marked: bool, compact: bool) -> Text:
    unit = f" {shown.unit}" if shown.unit not in ("", "ratio") else ""
    line = Text()
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
        rgb = colour(share)
        said = scale.text(share * scale.most)
        line.append(f" {said} ", f"{'white' if dark(rgb) else 'black'} on {hex_of(rgb)}")
    line.append(f"{unit}")
    if compact:
        line.append(f"; a digit is tenths of {scale.text(scale.most)}{unit}")
    if marked:
        line.append(f"; {_MARK} the {percent(shown.level)} interval, simultaneous, excludes 0")
    if any(place is None for p in shown.panels for row in p.cells for place in row):
        line.append(f"; {EMPTY} no member" + (", or none with a path" if shown.left_out else ""))
    return line


def _lead(panel: Panel) -> int:
    return min(24, max([len(panel.rows.title), *(len(clean(x)) for x in panel.rows.labels)]))


def _each(shown: Shown, panel: Panel, cell: Cell) -> int:
    """The width of a column."""
    texts = [cell(shown.estimates[p]) for row in panel.cells for p in row if p is not None]
    labels = [len(clean(x)) for x in panel.columns.labels]
    return max([1, *map(len, texts), *labels])


def _width(shown: Shown, panel: Panel, cell: Cell) -> int:
    return _lead(panel) + len(panel.columns.labels) * (1 + _each(shown, panel, cell))


def _turned(p: Panel) -> Panel:
    cells = tuple(zip(*p.cells, strict=True))
    return Panel(p.title, p.columns, p.rows, cells)


def _cut(shown: Shown, panel: Panel, cell: Cell, width: int) -> Iterator[Panel]:
    """A map in parts that fit side by side below each other."""
    each = 1 + min(_each(shown, panel, cell), max(4, width - _lead(panel) - 1))
    many = max(1, (width - _lead(panel)) // each)
    labels: Sequence[str] = panel.columns.labels
    for start in range(0, len(labels), many):
        columns = Axis(panel.columns.title, tuple(labels[start : start + many]))
        yield Panel(panel.title, panel.rows, columns, tuple(row[start : start + many] for row in panel.cells))


def _short(label: str, width: int) -> str:
    text = clean(label)
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"
