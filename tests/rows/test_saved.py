"""Hugging Face `datasets`, saved and cached.

`data/saved` and `data/pictured` were written by `save_to_disk` of `datasets` 5.2.0.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import DataRef
from causalcircuit.rows import Dataset, cached_folder, peek
from repotools.fixtures import FIXTURES

SAVED, PICTURED = FIXTURES / "data" / "saved", FIXTURES / "data" / "pictured"


def rows(folder: Path, **arguments: str) -> Dataset:
    return peek(DataRef("d", "datasets", folder, arguments=tuple(arguments.items())))


def told(folder: Path, **arguments: str) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        rows(folder, **arguments)
    (found,) = caught.value.diagnostics
    return found.code, " ".join([found.message, *found.help])


def test_a_split_of_a_saved_data_set() -> None:
    assert rows(SAVED, split="train").columns == {
        "text": ["t0", "t1", "t2", "t3"],
        "label": ["cat", "dog", "cat", None],
        "score": [0.0, None, 1.0, 1.5],
        "tags": [[], ["a"], ["a", "b"], ["a", "b"]],
    }
    assert rows(SAVED, split="test").n == 3
    assert rows(SAVED / "test").column("text") == ["t0", "t1", "t2"]


def test_images_inside_the_data_become_files_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = rows(PICTURED)
    assert sorted(data.columns) == ["pair", "photo"]  # bytes that are no image are left out
    first, nothing, last = data.column("photo")
    pair, none, missing = data.column("pair")
    assert nothing is None
    assert (none, missing) == ([], None)
    assert pair[0] == last
    files = sorted(tmp_path.rglob("*.png"))
    assert sorted({first, *pair}) == [str(f) for f in files]
    assert len(files) == 3
    for file in files:
        assert file.stem == hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.parent.stat().st_mode & 0o077 == 0
        with Image.open(data.resolve(str(file))) as opened:
            assert opened.size == (6, 4)


def test_an_image_is_the_one_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = rows(PICTURED).column("photo")[0]
    with pa.memory_map(str(PICTURED / "data-00000-of-00002.arrow")) as source:
        content = pa.ipc.open_stream(source).read_all().column("photo")[0].as_py()["bytes"]
    assert Path(first).read_bytes() == content


@pytest.mark.parametrize(
    ("folder", "arguments", "code", "said"),
    [
        (SAVED, {}, "CQ462", 'split = "train"'),
        (SAVED, {"split": "trian"}, "CQ462", "did you mean `train`?"),
        (SAVED, {"split": "train[:2]"}, "CQ462", "`sample`"),
        (SAVED / "test", {"split": "dev"}, "CQ462", "leave the argument out"),
        (SAVED.parent / "photos", {}, "CQ406", "no dataset_dict.json"),
        (SAVED.parent / "svaed", {}, "CQ401", "did you mean `saved`?"),
        (SAVED.parent / "ioi.jsonl", {}, "CQ401", "is a file"),
    ],
)
def test_what_is_not_as_said(folder: Path, arguments: dict[str, str], code: str, said: str) -> None:
    found, text = told(folder, **arguments)
    assert found == code
    assert said in text


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED / "train", tmp_path / "train"))


@pytest.mark.parametrize("name", ["../../secret.arrow", "/etc/passwd", ".."])
def test_a_folder_names_no_files_outside_itself(copy: Path, name: str) -> None:
    (copy / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    assert told(copy) == ("CQ406", told(copy)[1])
    assert "outside its folder" in told(copy)[1]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"_data_files": 3}', '{"_data_files": [{"filename": "gone.arrow"}]}']
)
def test_a_damaged_state(copy: Path, text: str) -> None:
    (copy / "state.json").write_text(text)
    assert told(copy)[0] == "CQ406"


def test_damaged_rows(copy: Path) -> None:
    (arrow,) = copy.glob("*.arrow")
    whole = arrow.read_bytes()
    for cut in (0, 3, 100, 600, len(whole) - 200):
        arrow.write_bytes(whole[:cut])
        assert told(copy)[0] in ("CQ406", "CQ403"), cut
    (copy / "dataset_info.json").unlink()
    arrow.write_bytes(whole)
    assert told(copy)[0] == "CQ406"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as the library lays it out: two configurations of one data set, in shards, and another data set."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    info = (SAVED / "train" / "dataset_info.json").read_bytes()
    arrow = (SAVED / "train" / "data-00000-of-00001.arrow").read_bytes()
    for config in ("en", "de"):
        folder = tmp_path / "acme___my_pets" / config / "1.0.0" / "abc"
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_bytes(info)
        for shard in ("train-00000-of-00002", "train-00001-of-00002", "test"):
            (folder / f"my_pets-{shard}.arrow").write_bytes(arrow)
    folder = tmp_path / "glue" / "default" / "0.0.0" / "def"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_bytes(info)
    (folder / "glue-train.arrow").write_bytes(arrow)
    return tmp_path


def test_the_local_cache(cache: Path) -> None:
    pets = cached_folder("acme/MyPets", "de")
    assert pets == cache / "acme___my_pets" / "de" / "1.0.0" / "abc"
    assert rows(pets, split="train").column("text") == ["t0", "t1", "t2", "t3"] * 2
    assert rows(pets, split="test").n == 4
    assert told(pets)[0] == "CQ462"
    assert rows(cached_folder("glue")).n == 4


@pytest.mark.parametrize(
    ("name", "config", "code"),
    [
        ("acme/MyPets", None, "CQ462"),
        ("acme/MyPets", "fr", "CQ462"),
        ("acme/yours", None, "CQ461"),
        ("../glue", None, "CQ461"),
        ("glue/../glue", None, "CQ461"),
        ("*", None, "CQ461"),
    ],
)
def test_what_the_cache_lacks(cache: Path, name: str, config: str | None, code: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        cached_folder(name, config)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_the_library_reads_the_same() -> None:
    """Where the library is installed, it and this room agree on every cell."""
    library = pytest.importorskip("datasets")
    loaded = library.load_from_disk(str(SAVED))
    for split in ("train", "test"):
        mine, names = rows(SAVED, split=split), loaded[split].features["label"].names
        theirs = {**loaded[split].to_dict()}
        theirs["label"] = [None if v is None else names[v] for v in theirs["label"]]
        assert dict(mine.columns) == theirs
