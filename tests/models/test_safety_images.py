"""Image files from anywhere: turned upright, of one picture, of known formats, within bounds."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.image_utils import load_image

from causalcircuit.models import LoadedModel, Pictures, RowError, check_image
from causalcircuit.models.images import media
from causalcircuit.rows.decoding import PictureError, picture_size, read_picture

HIGH, WIDE = 20, 12


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HIGH, WIDE, 3), dtype=np.uint8)


def refused(path: Path, why: str | None = None) -> None:
    with pytest.raises(RowError) as caught:
        check_image(path)
    assert caught.value.code == "CQ451"
    with pytest.raises(PictureError, match=why):
        read_picture(path)


def turned(array: np.ndarray, how: int) -> np.ndarray:
    """Pixels as a camera stores them that were seen as `array`, by the table of Exif."""
    return {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array, 1),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array, -1),
    }[how]


@pytest.mark.parametrize("how", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_pictures_are_upright(tmp_path: Path, array: np.ndarray, how: int, form: str) -> None:
    path = tmp_path / f"x.{form.lower()}"
    exif = Image.Exif()
    exif[0x0112] = how
    Image.fromarray(np.ascontiguousarray(turned(array, how))).save(path, form, exif=exif)
    assert np.array_equal(np.asarray(read_picture(path)), array)
    assert np.array_equal(np.asarray(read_picture(path)), np.asarray(load_image(str(path))))
    assert picture_size(path) == check_image(path) == (WIDE, HIGH)


def test_a_turned_photo_is_seen_as_the_upright_one(captioner: LoadedModel, tmp_path: Path, array: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(array).save(tmp_path / "upright.png")
    Image.fromarray(np.ascontiguousarray(np.rot90(array, 1))).save(tmp_path / "turned.png", exif=exif)
    seen = [media(captioner, tmp_path / f"{n}.png")["pixel_values"] for n in ("upright", "turned")]
    assert torch.equal(*seen)
    mask = np.zeros((HIGH, WIDE), np.uint8)
    mask[: HIGH // 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    known = Pictures(captioner)
    inside = known.inside("encoder", tmp_path / "mask.png", tmp_path / "turned.png")
    assert inside == known.inside("encoder", tmp_path / "mask.png", tmp_path / "upright.png")
    assert any(inside)
    assert not all(inside)


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_files_of_several_pictures(tmp_path: Path, array: np.ndarray, form: str) -> None:
    frames = [Image.fromarray(array), Image.fromarray(255 - array)]
    path = tmp_path / f"x.{form.lower()}"
    frames[0].save(path, form, save_all=True, append_images=frames[1:])
    refused(path, "2 pictures")
    frames[0].save(path, form)
    assert check_image(path) == (WIDE, HIGH)


def test_a_photo_with_its_preview_is_its_first_picture(tmp_path: Path, array: np.ndarray) -> None:
    frames = [Image.fromarray(array), Image.fromarray(array[:4, :4])]
    frames[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert check_image(tmp_path / "x.jpg") == (WIDE, HIGH)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*before: bytes, wide: int = 2, high: int = 2, after: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0\1\2" * 2))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + data + after + chunk(b"IEND", b"")


BOMB = zlib.compress(b"a" * 200_000_000, 9)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_inside_a_picture_do_not_explode(tmp_path: Path, kind: bytes, place: str) -> None:
    text = chunk(kind, b"a\0\0" + BOMB if kind == b"zTXt" else b"a\0\1\0\0\0" + BOMB)
    path = tmp_path / "x.png"
    path.write_bytes(png(text) if place == "before" else png(after=text))
    refused(path, "too large")
    path.write_bytes(png())
    assert check_image(path) == (2, 2)


@pytest.mark.parametrize("size", [(10**5, 10**5), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
def test_a_small_file_of_a_huge_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "x.png").write_bytes(png(wide=size[0], high=size[1]))
    refused(tmp_path / "x.png")


def test_files_of_absurd_size_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png())
    os.truncate(path, 2**40)
    refused(path, "1099511627776 bytes")


def test_formats_that_start_programs_are_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", "EPS")  # whatever its name
    refused(tmp_path / "x.png", "cannot identify")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(PictureError, match="no file"):
        picture_size(tmp_path / "x.png")


def test_every_cut_and_many_a_flaw_of_a_file_is_answered(tmp_path: Path, array: np.ndarray) -> None:
    """Nothing but a refusal or a picture comes of any file: no other exception, whatever the format."""
    draws = np.random.default_rng(1)
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        path = tmp_path / f"x.{form.lower()}"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(array).save(path, form, **({"exif": exif} if form in ("PNG", "JPEG", "WEBP", "TIFF") else {}))
        whole = path.read_bytes()
        flawed = [whole[:end] for end in range(0, len(whole), max(1, len(whole) // 20))]
        for _ in range(40):
            bytes_ = bytearray(whole)
            for at in draws.integers(0, min(len(bytes_), 200), 4):
                bytes_[at] = draws.integers(256)
            flawed.append(bytes(bytes_))
        answered = 0
        for content in flawed:
            path.write_bytes(content)
            for read in (read_picture, picture_size):
                try:
                    read(path)
                except PictureError:
                    answered += 1
        assert answered > 10, form
