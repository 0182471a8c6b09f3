"""Heat maps of rows as they are printed and drawn."""

import json
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from causalcircuit.query import Result
from causalcircuit.query.estimate import Interval
from causalcircuit.query.saliency import HeatMaps, Lit, RowMap
from causalcircuit.report.colours import colour
from causalcircuit.report.figures_page import heat_maps
from causalcircuit.report.machine import to_json
from causalcircuit.report.pictures import pictures
from causalcircuit.report.png import png
from causalcircuit.report.saliency import heat_scene
from causalcircuit.report.svg import svg
from causalcircuit.report.text import to_text

SVG = "{http://www.w3.org/2000/svg}"


def photo(rgb: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    out = BytesIO()
    Image.new("RGB", (32, 16), rgb).save(out, "PNG")
    return out.getvalue()


def over_images(*, signed: bool = True) -> HeatMaps:
    rows = tuple(
        RowMap(k, (0.5, -1.0 if signed else 0.0, 0.25 + k, 0.0), 0.75, 0.5, image=photo() if k < 6 else b"")
        for k in range(8)
    )
    return HeatMaps(
        "saliency(W, at = S)", "scenes", "W", "S", ("office", "kitchen") if signed else ("kitchen",), "logit", (2, 2),
        rows, (0.5, -1.0 if signed else 0.0, 3.75, 0.0), signed, 0.0 if signed else 0.46,
        Lit("background_mask", 0.75, Interval(0.7, 0.8), 0.5, 8), 4,
    )  # fmt: skip


def over_texts(token: str = " Mary") -> HeatMaps:
    rows = (RowMap(3, (0.0, 1.5, -0.5), tokens=("When", token, " and")),)
    return HeatMaps("saliency(LD, at = R)", "ioi", "LD", "R", ("corrupt", "do()"), "logit", None, rows,
                    (0.0, 1.5, -0.5), True, 0.0)  # fmt: skip


def test_the_terminal_says_numbers_without_colour() -> None:
    told = to_text(Result(maps=(over_images(),)), width=80)
    assert "saliency(W, at = S) on scenes · 8 rows in 4 clusters" in told
    assert "75.0% [70.0, 80.0] of the map lies inside background_mask, 50% of the patches" in told
    assert "mean of 8 rows" in told
    assert told.count("row 0: 75% inside") == 1
    assert "   0.50   -1.00" in told
    assert "\x1b" not in told
    assert "\x1b[" in to_text(Result(maps=(over_images(),)), width=80, colour=True)


def test_the_published_form_says_that_it_has_no_unit() -> None:
    told = to_text(Result(maps=(over_images(signed=False),)), width=100)
    assert "46% of its weights would leave (0, 1/2] without the guard of the pole" in told
    words = [t.text for t in ElementTree.fromstring(svg(heat_scene(over_images(signed=False)))).iter(f"{SVG}text")]
    assert "Of the strongest of each map: the form has no unit." in words
    assert "0.0" in words
    assert "−1.0" not in words


def test_tokens_stand_on_their_colours() -> None:
    told = to_text(Result(maps=(over_texts(),)), width=80)
    assert "When Mary and" in told
    assert "Mary 1.50  and -0.50" in told
    root = ElementTree.fromstring(svg(heat_scene(over_texts())))
    words = [t.text for t in root.iter(f"{SVG}text")]
    assert {"When", "Mary", "and", "row 3"} <= set(words)


@pytest.mark.parametrize("token", ["\x1b[31mred", "<script>", "\u202e", "x" * 500, "", "\n"])
def test_a_hostile_token_stays_a_word(token: str) -> None:
    maps = over_texts(token)
    assert "\x1b[31m" not in to_text(Result(maps=(maps,)))
    ElementTree.fromstring(svg(heat_scene(maps)))
    page = heat_maps(Result(maps=(maps,)))
    assert page is not None
    assert "<script" not in page


def test_a_picture_has_the_mean_six_rows_and_their_values() -> None:
    maps = over_images()
    root = ElementTree.fromstring(svg(heat_scene(maps)))
    assert len(list(root.iter(f"{SVG}image"))) == 6
    titles = [t.text for t in root.iter(f"{SVG}title")]
    assert "mean of 8 rows, patch 2 (row 1, column 0): 3.75 logit" in titles
    assert "row 5: 75% inside, patch 2 (row 1, column 0): 5.25 logit" in titles
    assert not any(t.startswith("row 6") for t in titles if t)


def test_images_are_grey_below_their_maps() -> None:
    empty = replace(over_images(), rows=(RowMap(0, (0.0,) * 4, image=photo()),), mean=None)
    image = Image.open(BytesIO(png(heat_scene(empty)))).convert("RGB")
    colours = {rgb for _, rgb in image.getcolors(1 << 24) or []}
    assert (200, 40, 40) not in colours
    assert any(r == g == b and 80 < r < 95 for r, g, b in colours if isinstance(r, int))  # its luminance: 87


def test_dark_ground_keeps_the_colours_of_values() -> None:
    scene = heat_scene(over_images())
    light, dark = (Image.open(BytesIO(png(scene, dark=d))).convert("RGB") for d in (False, True))
    assert light.getpixel((2, 2)) == (255, 255, 255)
    assert max(dark.getpixel((2, 2))) < 40  # type: ignore[type-var]
    for image in (light, dark):
        assert any(rgb == colour(3.75 / 5.25) for _, rgb in image.getcolors(1 << 24) or [])
    assert "prefers-color-scheme: dark" in svg(scene)


def test_machines_are_told_of_them() -> None:
    said = json.loads(to_json(Result(maps=(over_images(), over_texts()))))
    assert said["maps"] == json.loads(json.dumps([over_images().to_json(), over_texts().to_json()]))


def test_files_and_page() -> None:
    result = Result(maps=(over_images(), over_texts()))
    files = pictures(result)
    assert sorted(files) == [
        "saliency-LD-at-R.png",
        "saliency-LD-at-R.svg",
        "saliency-W-at-S.png",
        "saliency-W-at-S.svg",
    ]
    page = heat_maps(result)
    assert page is not None
    assert page.count("<svg") == 2
    assert "unsafe" not in page
    plain = result.to_json()["maps"]
    assert plain[0]["inside"]["interval"] == [0.7, 0.8]
    assert plain[1]["rows"][0]["tokens"] == ["When", " Mary", " and"]
    assert "image" not in plain[0]["rows"][0]
