"""Data files as columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.rows import Format, read_columns


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def code(path: Path, kind: Format) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        read_columns(path, kind)
    (found,) = caught.value.diagnostics
    assert found.help
    return found.code, found.message


ROWS = [
    {"a": 1, "b": " x", "c": None, "d": True, "e": 0.5, "f": [1, 2]},
    {"a": 2, "b": "", "c": "y", "d": False, "e": 1.5, "f": []},
]


def test_jsonl_keeps_what_json_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "\ufeff" + "\n\n".join(json.dumps(r) for r in ROWS) + "\n")
    assert read_columns(path, "jsonl") == {k: [r[k] for r in ROWS] for k in ROWS[0]}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert read_columns(tmp_path / "a.parquet", "parquet") == {k: [r[k] for r in ROWS] for k in ROWS[0]}


@pytest.mark.parametrize(
    ("cells", "typed"),
    [
        (["1", "-2"], [1, -2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1e3", "2"], [1000.0, 2.0]),
        (["true", "False"], [True, False]),
        (["0", "1"], [0, 1]),
        (["1", ""], [1, None]),  # no value
        (["", "2.5"], [None, 2.5]),
        (["true", ""], [True, None]),
        (["", ""], ["", ""]),
        (["x", ""], ["x", ""]),
        (["1", "x"], ["1", "x"]),
        ([" 3", " 4"], [" 3", " 4"]),  # answers with their leading space
        (["007", "010"], ["007", "010"]),  # labels
        (["1_000", "2"], ["1_000", "2"]),
        (["٣", "1"], ["٣", "1"]),
    ],
)
def test_csv_columns_are_numbers_where_every_cell_is_one(tmp_path: Path, cells: list[str], typed: list[Any]) -> None:
    path = write(tmp_path / "a.csv", "x,y\n" + "".join(f'"{c}",z\n' for c in cells))
    found = read_columns(path, "csv")["x"]
    assert found == typed
    assert [type(v) for v in found] == [type(v) for v in typed]


@pytest.mark.parametrize(
    ("name", "text", "wanted", "told"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n', "CQ406", "line 2"),
        ("a.jsonl", "[1]\n", "CQ406", "a list"),
        ("a.jsonl", "3\n", "CQ406", "it holds 3"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "CQ406", '"a" stands in it twice'),
        ("a.jsonl", '{"a": ' + "9" * 5000 + "}\n", "CQ406", "line 1"),
        ("a.jsonl", '{"a": 1}\n{"a": ' + "9" * 400 + "}\n", "CQ404", "above 1e308 in row 1"),
        ("a.jsonl", '{"a": "x"}\n{"a": "\\ud800"}\n', "CQ404", "half a character"),
        ("a.jsonl", '{"a": [1, NaN]}\n', "CQ404", "nan in row 0"),
        ("a.jsonl", b'{"a": "\xff"}\n', "CQ406", "cannot be read"),
        ("a.jsonl", "[" * 100000, "CQ406", "line 1"),
        ("a.jsonl", "", "CQ403", "no rows"),
        ("a.jsonl", "\n\n", "CQ403", "no rows"),
        ("a.jsonl", "{}\n", "CQ403", "no rows"),
        ("a.jsonl", '{"a": 1, "b": 2}\n{"a": 1}\n', "CQ407", "`b` is missing in row 1"),
        ("a.jsonl", '{"a": NaN}\n', "CQ404", "`a`"),
        ("a.jsonl", '{"a": 1.0}\n{"a": -Infinity}\n', "CQ404", "row 1"),
        ("a.csv", "", "CQ403", "no rows"),
        ("a.csv", "a,b\n", "CQ403", "no rows"),
        ("a.csv", "a,b\n1\n", "CQ406", "1 cells, the header 2"),
        ("a.csv", "a,a\n1,2\n", "CQ406", "two columns"),
        ("a.csv", "a\n1.5\nnan\n", "CQ404", "row 1"),
        ("a.csv", b"a\n\xff\n", "CQ406", "cannot be read"),
        ("a.parquet", "PAR1 no", "CQ406", "no Parquet file"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str | bytes, wanted: str, told: str) -> None:
    found, message = code(write(tmp_path / name, text), name.partition(".")[2])  # type: ignore[arg-type]
    assert found == wanted
    assert told in message


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_missing_file_is_told_with_its_neighbours(tmp_path: Path, kind: Format) -> None:
    write(tmp_path / f"scenes.{kind}", "")
    with pytest.raises(DiagnosticError) as caught:
        read_columns(tmp_path / f"scnes.{kind}", kind)
    (found,) = caught.value.diagnostics
    assert found.code == "CQ401"
    assert f"did you mean `scenes.{kind}`?" in found.help
    assert code(tmp_path, kind)[0] == "CQ401"
    assert code(tmp_path / ("x" * 5000), kind)[0] == "CQ401"
    assert code(tmp_path / "no" / "such" / f"a.{kind}", kind)[0] == "CQ401"
