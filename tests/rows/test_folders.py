"""A folder of images as rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Column, Compare, DataRef, Text
from causalcircuit.rows import load, peek
from repotools.fixtures import FIXTURES

PHOTOS = FIXTURES / "data" / "photos"


def ref(folder: Path) -> DataRef:
    return DataRef("p", "images", folder)


def told(folder: Path) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        peek(ref(folder))
    (found,) = caught.value.diagnostics
    return found.code, " ".join([found.message, *found.help])


def test_columns_are_those_of_the_files() -> None:
    data = peek(ref(PHOTOS))
    assert data.columns == {
        "image": ["cat/tom.jpg", "cover.PNG", "dog/rex.png", "dog/small/pip.png"],
        "name": ["tom", "cover", "rex", "pip"],
        "folder": ["cat", "photos", "dog", "small"],
        "width": [4, 3, 5, 2],
        "height": [4, 7, 3, 2],
    }
    for path, width, height in zip(*(data.column(c) for c in ("image", "width", "height")), strict=True):
        with Image.open(data.resolve(path)) as opened:
            assert opened.size == (width, height)


def test_options_choose_rows_as_in_a_file() -> None:
    dogs = load(DataRef("p", "images", PHOTOS, where=Compare("=", Column("folder"), Text("dog"))))
    assert dogs.column("name") == ["rex"]
    assert dogs.place(0) == "photos, row 2"


def test_files_that_are_no_images_are_all_named() -> None:
    code, text = told(FIXTURES / "data" / "torn_photos")
    assert code == "CQ460"
    assert "2 of 3 files" in text
    assert "bad.png: " in text
    assert "empty.jpg: " in text
    assert "good.png" not in text


def test_a_picture_of_absurd_size_is_refused_unread(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))
    code, text = told(tmp_path)
    assert code == "CQ460"
    assert "decompression bomb" in text


@pytest.mark.parametrize("name", ["phots", "x" * 5000, "photos/cover.PNG"])
def test_what_is_no_folder(name: str) -> None:
    code, text = told(PHOTOS.parent / name)
    assert code == "CQ401"
    assert ("is a file" in text) == name.endswith("PNG")
    assert ("did you mean `photos`?" in text) == (name == "phots")


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / ".thumbs").mkdir()
    (tmp_path / ".thumbs" / "a.png").write_bytes(b"")
    assert told(tmp_path)[0] == "CQ403"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (1, 2)).save(tmp_path / "a" / "x.png")
    os.symlink(tmp_path, tmp_path / "a" / "up")
    os.symlink(tmp_path / "a", tmp_path / "b")
    assert peek(ref(tmp_path)).column("image") == ["a/x.png", "b/x.png"]


def test_a_folder_that_changes_is_read_again(tmp_path: Path) -> None:
    Image.new("L", (1, 2)).save(tmp_path / "x.png")
    assert peek(ref(tmp_path)).n == 1
    (tmp_path / "deep").mkdir()
    Image.new("L", (1, 2)).save(tmp_path / "deep" / "y.png")
    assert peek(ref(tmp_path)).column("image") == ["deep/y.png", "x.png"]
    Image.new("L", (6, 2)).save(tmp_path / "x.png")
    assert peek(ref(tmp_path)).column("width") == [1, 6]
