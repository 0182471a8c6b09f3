"""Images and masks through the model's own processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from causalcircuit.models import LoadedModel, Pictures, RowError, check_image, media

SIDE, PATCH = 16, 4  # of the random captioner


def picture(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return picture(tmp_path / "image.png", np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)))


def drawn(tmp_path: Path, high: int = SIDE, wide: int = SIDE, **box: slice) -> Path:
    mask = np.zeros((high, wide))
    mask[box["rows"], box["columns"]] = 255
    return picture(tmp_path / "mask.png", mask)


def inside(model: LoadedModel, mask: Path, image: Path) -> list[int]:
    known = Pictures(model)
    found = known.inside("encoder", mask, image)
    return [i for i, place in enumerate(known.shown("encoder", image)) if found[place]]


def pixels(model: LoadedModel, image: Path) -> torch.Tensor:
    return media(model, image)["pixel_values"][0]


def test_pixels_are_those_of_the_processor(captioner: LoadedModel, image: Path) -> None:
    made = pixels(captioner, image)
    expected = captioner.processor(images=Image.open(image), return_tensors="pt")["pixel_values"][0]
    assert made.dtype == torch.float64
    assert torch.equal(made, expected.double())


def test_grey_and_transparent_images_become_rgb(captioner: LoadedModel, tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P", "1"):
        path = tmp_path / f"{mode}.png"
        Image.new(mode, (SIDE, SIDE)).save(path)
        assert pixels(captioner, path).shape == (3, SIDE, SIDE)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_images_are_refused_not_clipped(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "deep.tiff"
    Image.fromarray(np.full((SIDE, SIDE), 40_000, kind)).save(path)
    with pytest.raises(RowError) as caught:
        check_image(path)
    assert caught.value.code == "CQ451"


def test_a_name_too_long_for_a_file_is_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(RowError) as caught:
        check_image(tmp_path / ("x" * 5000))
    assert caught.value.code == "CQ451"


@pytest.mark.parametrize(("share", "counts"), [(0, False), (7, False), (8, True), (9, True), (16, True)])
def test_a_patch_is_inside_with_half_its_area(
    captioner: LoadedModel, tmp_path: Path, image: Path, share: int, counts: bool
) -> None:
    mask = np.zeros((SIDE, SIDE))
    block = np.zeros(16)
    block[:share] = 255
    mask[4:8, 8:12] = block.reshape(4, 4)
    path = picture(tmp_path / "mask.png", mask)
    assert inside(captioner, path, image) == ([6] if counts else [])


def test_patches_are_counted_row_by_row(captioner: LoadedModel, tmp_path: Path, image: Path) -> None:
    assert inside(captioner, drawn(tmp_path, rows=slice(0, 4), columns=slice(0, 16)), image) == [0, 1, 2, 3]
    assert inside(captioner, drawn(tmp_path, rows=slice(0, 16), columns=slice(12, 16)), image) == [3, 7, 11, 15]


def test_a_mask_is_resized_with_its_image(captioner: LoadedModel, tmp_path: Path) -> None:
    large = picture(tmp_path / "large.png", np.zeros((48, 80, 3)))
    mask = drawn(tmp_path, 48, 80, rows=slice(24, 48), columns=slice(0, 40))
    assert inside(captioner, mask, large) == [8, 9, 12, 13]


def test_grey_of_128_and_more_is_inside(captioner: LoadedModel, tmp_path: Path, image: Path) -> None:
    for grey, count in ((127, 0), (128, 16), (1, 0)):
        path = picture(tmp_path / f"{grey}.png", np.full((SIDE, SIDE), grey))
        assert len(inside(captioner, path, image)) == count


def test_a_mask_needs_the_size_of_its_image(captioner: LoadedModel, tmp_path: Path, image: Path) -> None:
    with pytest.raises(RowError) as caught:
        inside(captioner, drawn(tmp_path, 32, 32, rows=slice(0, 4), columns=slice(0, 4)), image)
    assert caught.value.code == "CQ452"


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut off", "folder"])
def test_images_that_cannot_be_read(tmp_path: Path, image: Path, damage: str) -> None:
    path = tmp_path / "bad.png"
    whole = image.read_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "text": b"no picture", "cut off": whole[: len(whole) // 2]}[damage])
    with pytest.raises(RowError) as caught:
        check_image(path)
    assert caught.value.code == "CQ451"


def test_a_picture_of_absurd_size_is_not_decoded(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # the limit is pillow's; here 16×16 is beyond it
    copy = tmp_path / "bomb.png"
    copy.write_bytes(image.read_bytes())
    with pytest.raises(RowError) as caught:
        check_image(copy)
    assert caught.value.code == "CQ451"


def test_a_file_written_anew_is_read_anew(captioner: LoadedModel, tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png", np.zeros((SIDE, SIDE, 3)))
    black = pixels(captioner, path)
    picture(path, np.full((SIDE, SIDE, 3), 255))
    assert not torch.equal(pixels(captioner, path), black)


def test_other_processors_crop_masks_too(captioner: LoadedModel, tmp_path: Path) -> None:
    """A processor that resizes the short side and crops the middle: the mask loses the same rim."""
    from transformers import CLIPImageProcessorPil

    size = {"shortest_edge": SIDE}
    crop = {"height": SIDE, "width": SIDE}
    cropping = replace(captioner, processor=CLIPImageProcessorPil(size=size, crop_size=crop))
    wide = picture(tmp_path / "wide.png", np.zeros((SIDE, 2 * SIDE, 3)))
    mask = drawn(tmp_path, SIDE, 2 * SIDE, rows=slice(0, SIDE), columns=slice(0, 12))
    assert inside(cropping, mask, wide) == [0, 4, 8, 12]
