"""Values over the patches of an image."""

from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.report.overlay import overlay

GREY = (128, 128, 128)


def plain(width: int = 40, height: int = 20) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def pixels(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")


def test_strong_values_cover_and_weak_ones_let_through() -> None:
    drawn = pixels(overlay(plain(), [[1.0, 0.0, -1.0, 0.05]]).png())
    # 448 × 224 points from (24, 24), two pixels a point; a fifth below the top, away from the numbers.
    at = [drawn.getpixel((2 * (24 + 112 * k + 56), 2 * (24 + 45))) for k in range(4)]
    red, none, blue, weak = at
    assert none == GREY
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert max(abs(a - b) for a, b in zip(weak, GREY, strict=True)) < 8


def test_the_svg_says_the_values_and_holds_the_image() -> None:
    root = ElementTree.fromstring(overlay(plain(), [[0.5, None], [-0.25, 0.1]], title="<b>cat</b>", unit="logit").svg())
    told = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert told[0] == "<b>cat</b>"
    assert "patch 0 (row 0, column 0): 0.5 logit" in told
    assert "patch 1 (row 0, column 1): no value" in told
    assert "patch 2 (row 1, column 0): -0.25 logit" in told
    images = list(root.iter("{http://www.w3.org/2000/svg}image"))
    assert [i.get("href", "")[:22] for i in images] == ["data:image/png;base64,"]


def test_a_page_without_script() -> None:
    text = overlay(plain(), [[1.0]], title="</title><script>1</script>").html()
    assert "<script" not in text
    assert "default-src 'none'" in text


def test_bytes_and_pictures_are_the_same() -> None:
    out = BytesIO()
    plain().save(out, "PNG")
    assert overlay(out.getvalue(), [[1.0, 2.0]]).svg() == overlay(plain(), [[1.0, 2.0]]).svg()


@pytest.mark.parametrize("grid", [[], [[]], [[1.0], [1.0, 2.0]], [[float("nan")]], [[float("inf"), 1.0]]])
def test_no_grid(grid: list[list[float]]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        overlay(plain(), grid)
    assert [d.code for d in caught.value.diagnostics] == ["CQ780"]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut off"])
def test_no_image(content: bytes) -> None:
    with pytest.raises(DiagnosticError) as caught:
        overlay(content, [[1.0]])
    assert [d.code for d in caught.value.diagnostics] == ["CQ781"]


def test_all_zero() -> None:
    assert pixels(overlay(plain(), [[0.0, 0.0]]).png()).getpixel((2 * 60, 2 * 60)) == GREY
