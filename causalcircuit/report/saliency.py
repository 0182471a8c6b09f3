"""Heat maps over images and texts: for a terminal, and as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from causalcircuit.query.saliency import HeatMaps, RowMap
from causalcircuit.report.colours import colour, dark, hex_of
from causalcircuit.report.details import grid as listed
from causalcircuit.report.figures import bounds, count, decimals, figure, percent
from causalcircuit.report.photo import as_png, shrunk
from causalcircuit.report.safe import clean, words
from causalcircuit.report.scale import Scale
from causalcircuit.report.scene import INK, PAPER, SOFT, Label, Photo, Rect, Scene, long, scale_bar

_INDENT = 2
_ROWS = 2
"""Maps of single rows in a terminal, beside that of the mean."""
_WIDEST = 8
"""Columns of patches from which on a terminal shows digits in the place of numbers."""
_SIDE, _GAP, _MARGIN, _ACROSS = 184, 22, 24, 4
_COVER = 0.78
"""How far the strongest value covers the image."""
_TALL = 24
_LINE = 900
"""Points of a line of tokens."""
_NO_UNIT = "Of the strongest of each map: the form has no unit."


def heat_block(maps: HeatMaps, width: int, brief: bool) -> Group:
    """Everything about the heat maps of one statement."""
    facts = [count(len(maps.rows), "row") + (f" in {count(maps.clusters, 'cluster')}" if maps.clusters else "")]
    head = words(f"{maps.name} on {maps.data}", "bold underline") + words("".join(f" · {f}" for f in facts))
    parts: list[RenderableType] = [head]
    lit = _lit(maps)
    if lit:
        parts.append(Padding(Text(lit, "bold"), (0, 0, 0, _INDENT)))
    for title, values, row in _drawn(maps)[: 1 + _ROWS]:
        parts += [Text(), Padding(Text(title, "dim"), (0, 0, 0, _INDENT))]
        drawn = _patches(maps, values) if maps.grid is not None else _tokens(maps, values, row, width - _INDENT)
        parts += [Padding(line, (0, 0, 0, _INDENT)) for line in drawn]
    if not brief:
        parts += [Text(), Padding(listed([(n, words(said)) for n, said in _told(maps)]), (0, 0, 0, _INDENT))]
    return Group(*parts)


def heat_scene(maps: HeatMaps) -> Scene:
    """The maps over what they belong to: the mean, and the first rows, with one scale and what they are about."""
    parts: list[Rect | Label | Photo] = [Label(_MARGIN, _MARGIN + 16, clean(maps.name), 17, bold=True)]
    y: float = _MARGIN + 36
    for said in (_subtitle(maps), _lit(maps)):
        if said:
            parts.append(Label(_MARGIN, y, clean(said), 12, fill=SOFT))
            y += 18
    drawn = _mosaic(maps, y + 6) if maps.grid is not None else _lines(maps, y + 6)
    parts += drawn
    low = max((p.y + p.height if isinstance(p, Rect | Photo) else p.y + 6) for p in drawn)
    scale = _scale(maps, [v for _, values, _ in _drawn(maps) for v in values]) if maps.signed else Scale(1.0, 1)
    unit = maps.unit if maps.signed and maps.unit != "ratio" else ""
    bar = list(scale_bar(scale, unit, low + 20, both=maps.signed))
    parts += bar
    if not maps.signed:
        parts.append(Label(_MARGIN, low + 20 + 46, _NO_UNIT, 11, fill=SOFT))
    right = max(_end(p) for p in parts)
    return Scene(right + _MARGIN, low + 20 + (46 if maps.signed else 58) + _MARGIN, tuple(parts), clean(maps.name))


def _end(p: Rect | Label | Photo) -> float:
    return p.x + (p.width if isinstance(p, Rect | Photo) else long(p.text, p.size) if p.anchor == "start" else 0)


def _drawn(maps: HeatMaps) -> list[tuple[str, tuple[float, ...], RowMap | None]]:
    """The mean where there is one and it is drawn over patches, and the rows that have something to lie on."""
    out: list[tuple[str, tuple[float, ...], RowMap | None]] = []
    if maps.mean is not None and maps.grid is not None:
        out.append((f"mean of {count(len(maps.rows), 'row')}", maps.mean, None))
    for r in maps.rows:
        if len(out) > 6:
            break
        if r.image or r.tokens:
            said = f"row {r.row}"
            if r.inside is not None and maps.lit is not None:
                said += f": {r.inside:.0%} inside"
            out.append((said, r.values, r))
    return out


def _scale(maps: HeatMaps, values: Sequence[float]) -> Scale:
    most = max((abs(v) for v in values), default=0.0)
    return Scale(most or 1.0, max(0, 2 - math.floor(math.log10(most))) if most > 0 else 0)


def _share(maps: HeatMaps, value: float, values: Sequence[float], scale: Scale) -> float:
    """Of the scale: that of all maps where values have a unit, else of this map."""
    if maps.signed:
        return scale.share(value)
    most = max(values, default=0.0)
    return value / most if most > 0 else 0.0


def _subtitle(maps: HeatMaps) -> str:
    form = f"signed, from {maps.worlds[0]} to {maps.worlds[1]}" if maps.signed else f"GradCAM++ in {maps.worlds[0]}"
    return f"{form} · {maps.readout} at {maps.site} · {count(len(maps.rows), 'row')} of {maps.data}"


def _lit(maps: HeatMaps) -> str:
    if maps.lit is None:
        return ""
    share, ends = maps.lit.share, maps.lit.interval
    interval = ""
    if ends is not None:
        places = decimals(100 * share, type(ends)(100 * ends.low, 100 * ends.high))
        interval = f" {bounds(type(ends)(100 * ends.low, 100 * ends.high), max(0, places))}"
    empty = f"; {count(maps.lit.empty, 'map is', 'maps are')} empty" if maps.lit.empty else ""
    return (
        f"{100 * share:.1f}%{interval} of the map lies inside {maps.lit.column}, "
        f"{percent(round(maps.lit.area, 3))} of the patches{empty}"
    )


def _told(maps: HeatMaps) -> Iterator[tuple[str, str]]:
    yield "readout", maps.readout + (f" [{maps.unit}]" if maps.unit else "")
    yield "at", maps.site
    if maps.signed:
        yield "form", f"signed: what each position's change from {maps.worlds[0]} to {maps.worlds[1]} adds, guarded"
    else:
        yield "form", f"GradCAM++ as published, in {maps.worlds[0]}: at least 0, and without a unit"
        beyond = percent(round(maps.guarded, 3))
        yield "guard", f"{beyond} of its weights would leave (0, 1/2] without the guard of the pole"
    if maps.mean is None:
        yield "mean", "rows have maps of different sizes"


# ---- terminal


def _patches(maps: HeatMaps, values: Sequence[float]) -> Iterator[Text]:
    rows, columns = maps.grid or (1, len(values))
    scale = _scale(maps, [v for _, vs, _ in _drawn(maps) for v in vs])
    digits = columns > _WIDEST
    for i in range(rows):
        line = Text()
        for v in values[i * columns : (i + 1) * columns]:
            share = _share(maps, v, values, scale)
            tenth = min(9, int(10 * abs(share)))
            sign = "-" if share < 0 and tenth else "+" if maps.signed and tenth else " "
            said = f"{sign}{tenth}" if digits else f"{share:>6.2f}" if not maps.signed else f"{scale.text(v):>7}"
            rgb = colour(share)
            line.append(f"{said} ", f"{'white' if dark(rgb) else 'black'} on {hex_of(rgb)}")
        yield line


def _tokens(maps: HeatMaps, values: Sequence[float], row: RowMap | None, width: int) -> Iterator[Text]:
    """The text with its tokens coloured, and the strongest of them with their numbers."""
    scale = _scale(maps, [v for _, vs, _ in _drawn(maps) for v in vs])
    line, tokens = Text(), [] if row is None else [clean(t).replace("\n", "⏎") for t in row.tokens]
    for token, v in zip(tokens, values, strict=True):
        rgb = colour(_share(maps, v, values, scale))
        if line.cell_len + len(token) > width and line.cell_len:
            yield line
            line = Text()
        line.append(token, f"{'white' if dark(rgb) else 'black'} on {hex_of(rgb)}")
    yield line
    order = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))[:5]
    said = [
        f"{tokens[i].strip() or '␣'} {figure(values[i], scale.places)}"
        if maps.signed
        else f"{tokens[i].strip() or '␣'} {_share(maps, values[i], values, scale):.2f}"
        for i in order
        if values[i]
    ]
    yield Text("  ".join(said), "dim")


# ---- pictures


def _mosaic(maps: HeatMaps, top: float) -> list[Rect | Label | Photo]:
    rows, columns = maps.grid or (1, 1)
    wide = _SIDE * min(1.0, columns / rows)
    tall = _SIDE * min(1.0, rows / columns)
    drawn = _drawn(maps)
    scale = _scale(maps, [v for _, values, _ in drawn for v in values])
    out: list[Rect | Label | Photo] = []
    for n, (title, values, row) in enumerate(drawn):
        x = _MARGIN + (n % _ACROSS) * (wide + _GAP)
        y = top + (n // _ACROSS) * (tall + _GAP + 20)
        out.append(Label(x, y + 13, title, 12, fill=INK if row is None else SOFT))
        y += 20
        if row is not None:
            # In greys: the colours of the image would be read as those of the map.
            out.append(Photo(x, y, wide, tall, as_png(shrunk(row.image, 2 * _SIDE).convert("L").convert("RGB"))))
        for i in range(rows):
            for j in range(columns):
                v = values[i * columns + j]
                share = _share(maps, v, values, scale)
                told = f"{title}, patch {i * columns + j} (row {i}, column {j}): {v:.4g} {maps.unit}".rstrip()
                box = (x + j * wide / columns, y + i * tall / rows, wide / columns, tall / rows)
                if row is None:
                    out.append(Rect(*box, colour(share), told))
                else:
                    out.append(Rect(*box, colour(math.copysign(1.0, share)), told, _COVER * abs(share)))
        edge = 0.75
        for box in ((x, y, wide, edge), (x, y + tall - edge, wide, edge), (x, y, edge, tall),
                    (x + wide - edge, y, edge, tall)):  # fmt: skip
            out.append(Rect(*box, SOFT, "", 0.6))
    return out


def _lines(maps: HeatMaps, top: float) -> list[Rect | Label | Photo]:
    """Texts with their tokens on colours."""
    drawn = _drawn(maps)
    scale = _scale(maps, [v for _, values, _ in drawn for v in values])
    out: list[Rect | Label | Photo] = []
    y = top
    for title, values, row in drawn:
        out.append(Label(_MARGIN, y + 13, title, 12, fill=SOFT))
        y += 20
        x: float = _MARGIN
        for token, v in zip(row.tokens if row is not None else (), values, strict=True):
            said = clean(token).strip().replace("\n", "⏎") or "␣"
            said = said if len(said) <= 40 else said[:39] + "…"
            wide = long(said, 13) + 12
            if x + wide > _MARGIN + _LINE:
                x, y = _MARGIN, y + _TALL + 4
            rgb = colour(_share(maps, v, values, scale))
            out.append(Rect(x, y, wide, _TALL, rgb, f"{said}: {v:.4g} {maps.unit}".rstrip()))
            ink = PAPER if dark(rgb) else INK
            out.append(Label(x + wide / 2, y + _TALL / 2 + 5, said, 13, "middle", ink, fixed=True))
            x += wide + 3
        y += _TALL + 14
    return out
