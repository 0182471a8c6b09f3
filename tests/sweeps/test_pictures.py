"""Heat maps: every cell where it belongs, whole in any width, with and without colour; SVG and PNG are sound."""

from __future__ import annotations

import re
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from causalcircuit.query import Estimate, Interval, Result
from causalcircuit.query.showing import Axis, Panel, Shown
from causalcircuit.report import pictures, to_json, to_text
from causalcircuit.report.colours import colour, dark

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shown(rows: int, columns: int, hostile: str = "") -> Result:
    """A map with values that say where they belong; every second interval holds 0, the last cell is empty."""
    values = [(i - rows / 2) + j / 100 for i in range(rows) for j in range(columns)]
    estimates = tuple(
        Estimate(
            "effect(H)", v, Interval(v - 0.001, v + 0.001) if k % 2 else Interval(v - 99, v + 99), 0.999, "logit",
            30, None, "intervention", "E[Y]", data="d",
            at=(("H", f"m.layer[{k // columns}].head[{k % columns}].out @ last"),),
        )
        for k, v in enumerate(values[:-1] if columns > 1 else values)
    )  # fmt: skip
    cells = [[i * columns + j for j in range(columns)] for i in range(rows)]
    lines: list[tuple[int | None, ...]] = [tuple(line) for line in cells]
    if columns > 1:
        lines[-1] = (*lines[-1][:-1], None)
    panel = Panel(
        "",
        Axis("layer", tuple(f"{i}{hostile}" for i in range(rows))),
        Axis("head", tuple(f"{j}{hostile}" for j in range(columns))),
        tuple(lines),
    )
    p = tuple(0.5 for _ in estimates)
    return Result(shown=(Shown("effect(H)", "d", "heatmap", estimates, (panel,), p, p, 0.95, len(values)),))


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("columns", [1, 4, 12, 40])
def test_a_map_fits_its_width_and_says_the_same_without_colour(width: int, columns: int) -> None:
    result = shown(12, columns)
    plain = to_text(result, width=width)
    assert max(map(len, plain.splitlines())) <= max(40, min(width, 120))
    coloured = to_text(result, width=width, colour=True)
    assert ESCAPE.search(coloured)
    stripped = "\n".join(line.rstrip() for line in ESCAPE.sub("", coloured).splitlines())
    assert stripped.splitlines() == plain.splitlines()
    assert to_text(result, width=width, ascii_only=True).isascii()


def test_numbers_stand_in_their_cells() -> None:
    lines = to_text(shown(3, 4), width=80).splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["0", "1", "2", "3"])
    assert lines[start + 1].split() == ["0", "-1.50", "-1.49*", "-1.48", "-1.47*"]
    assert lines[start + 3].split() == ["2", "0.50", "0.51*", "0.52", "·"]


def test_svg_has_a_cell_for_every_estimate_and_is_well_formed() -> None:
    files = pictures(shown(12, 12, hostile='<&">\x1b'))
    root = ElementTree.fromstring(files["effect-H.svg"])
    told = [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}title")]
    cells = [t for t in told if t.startswith("m.layer")]
    assert len(cells) == 12 * 12 - 1
    assert cells[13].startswith("m.layer[1].head[1].out @ last: -4.99 logit [-4.991, -4.989]")
    assert b"<script" not in files["effect-H.svg"]
    width, height = (float(root.attrib[k]) for k in ("width", "height"))
    for e in root.iter("{http://www.w3.org/2000/svg}rect"):
        if "x" in e.attrib:
            assert float(e.attrib["x"]) + float(e.attrib["width"]) <= width
            assert float(e.attrib["y"]) + float(e.attrib["height"]) <= height


def test_png_shows_the_colours_of_the_values() -> None:
    files = pictures(shown(12, 12))
    root = ElementTree.fromstring(files["effect-H.svg"])
    image = Image.open(BytesIO(files["effect-H.png"])).convert("RGB")
    assert image.size == (round(2 * float(root.attrib["width"])), round(2 * float(root.attrib["height"])))
    for e in root.iter("{http://www.w3.org/2000/svg}rect"):
        if len(e):  # a cell
            x, y = (round(2 * float(e.attrib[k])) + 3 for k in ("x", "y"))
            assert "#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y))) == e.attrib["fill"]


def test_colours_tell_sign_and_strength() -> None:
    assert colour(0) == colour(-0.0)
    blue, red = colour(-1), colour(1)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert dark(blue)
    assert dark(red)
    assert not dark(colour(0.1))
    assert [colour(x / 50)[1] for x in range(51)] == sorted((colour(x / 50)[1] for x in range(51)), reverse=True)


def test_json_holds_the_map() -> None:
    assert '"panels"' in to_json(shown(2, 2))
