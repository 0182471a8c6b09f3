"""From a declaration to rows: `where`, `sample`, `split`, clusters."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Column, Compare, DataRef, Expr, Logic, Number, Split, Text, Truth, Within
from causalcircuit.rows import Dataset, clusters, is_truth, load, peek

ROWS = [{"id": i, "unit": f"u{i // 3}", "x": i / 4, "g": "ab"[i % 2], "t": i % 2 == 0, "m": None} for i in range(60)]


@pytest.fixture(scope="module")
def ref(tmp_path_factory: pytest.TempPathFactory) -> DataRef:
    return DataRef("d", "jsonl", dump(ROWS, tmp_path_factory.mktemp("rows") / "d.jsonl"))


def dump(rows: list[dict[str, Any]], path: Path) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def ids(data: Dataset) -> list[int]:
    return list(data.column("id"))


X, G = Column("x"), Column("g")


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (Compare(">", X, Number(14.0)), [57, 58, 59]),
        (Compare("=", G, Text("b")), list(range(1, 60, 2))),
        (Within(X, Number(1.0), Number(1.5)), [4, 5, 6]),
        (Logic("and", (Column("t"), Compare("<", X, Number(1.0)))), [0, 2]),
        (Logic("or", (Compare("<", X, Number(0.25)), Compare(">=", X, Number(14.75)))), [0, 59]),
        (Logic("and", (Logic("not", (Column("t"),)), Compare("<", X, Number(1.0)))), [1, 3]),
        (Truth(True), list(range(60))),
        (Compare("!=", Column("m"), Text("a")), list(range(60))),
    ],
)
def test_where_keeps_the_rows_that_meet_it(ref: DataRef, where: Expr, kept: list[int]) -> None:
    data = load(replace(ref, where=where))
    assert ids(data) == kept
    assert list(data.rows) == kept  # numbers of rows in the file, from 0
    assert data.place(0) == f"d.jsonl, row {kept[0]}"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"where": Compare("=", G, Text("c"))}, "CQ405"),
        ({"where": Compare(">", G, Number(1.0))}, "CQ409"),
        ({"where": Compare("=", X, Text("1"))}, "CQ409"),
        ({"where": Compare("<", Column("m"), Number(1.0))}, "CQ409"),
        ({"where": Compare("<", Column("none"), Number(1.0))}, "CQ402"),
        ({"sample": (61, 1)}, "CQ408"),
        ({"split": Split(0.999, 7, "test"), "cluster": Column("unit")}, "CQ405"),
        ({"split": Split(0.5, 7, "test"), "cluster": Column("m")}, "CQ404"),
    ],
)
def test_a_selection_that_cannot_be_made(ref: DataRef, change: dict[str, Any], code: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        load(replace(ref, **change))
    assert [d.code for d in caught.value.diagnostics] == [code]


@given(seed=st.integers(0, 50), percent=st.integers(10, 90))
def test_a_split_keeps_clusters_whole_and_covers_all_rows(ref: DataRef, seed: int, percent: int) -> None:
    parts = [load(replace(ref, cluster=Column("unit"), split=Split(percent / 100, seed, p))) for p in ("train", "test")]
    units = [set(part.column("unit")) for part in parts]
    assert not units[0] & units[1]
    assert sorted(ids(parts[0]) + ids(parts[1])) == list(range(60))
    assert len(units[0]) == round(percent / 100 * 20)


def test_a_split_depends_on_neither_the_order_of_rows_nor_the_columns(ref: DataRef, tmp_path: Path) -> None:
    shuffled = [{**r, "new": 1} for r in ROWS]
    random.Random(3).shuffle(shuffled)
    other = replace(ref, path=dump(shuffled, tmp_path / "d.jsonl"))
    split = {"cluster": Column("unit"), "split": Split(0.7, 7, "train")}
    assert sorted(ids(load(replace(ref, **split)))) == sorted(ids(load(replace(other, **split))))


def test_a_seed_repeats_and_another_changes(ref: DataRef) -> None:
    def drawn(seed: int) -> tuple[list[int], list[int]]:
        return ids(load(replace(ref, sample=(20, seed)))), ids(load(replace(ref, split=Split(0.5, seed, "train"))))

    assert drawn(1) == drawn(1)
    assert drawn(1)[0] != drawn(2)[0]
    assert drawn(1)[1] != drawn(2)[1]


def test_where_comes_before_sample_and_sample_before_split(ref: DataRef) -> None:
    full = replace(ref, where=Compare("<", X, Number(5.0)), sample=(10, 1))
    rows = ids(load(full))
    assert len(rows) == 10
    assert all(i < 20 for i in rows)
    parts = [ids(load(replace(full, split=Split(0.5, 1, p)))) for p in ("train", "test")]
    assert sorted(parts[0] + parts[1]) == rows


def test_a_cluster_that_cannot_be_named_is_refused(ref: DataRef) -> None:
    path = dump([{"unit": {"a": 1}}, {"unit": {"a": 2}}], ref.path.parent / "odd.jsonl")
    with pytest.raises(DiagnosticError, match="names no cluster") as caught:
        clusters(load(DataRef("d", "jsonl", path, cluster=Column("unit"))))
    assert caught.value.diagnostics[0].code == "CQ404"


def test_clusters_are_labels_or_none(ref: DataRef) -> None:
    assert clusters(load(ref)) is None
    assert clusters(load(replace(ref, cluster=Column("unit")))) == [r["unit"] for r in ROWS]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    ref = DataRef("d", "jsonl", dump(ROWS[:2], tmp_path / "d.jsonl"))
    assert peek(ref).n == 2
    dump(ROWS[:3], tmp_path / "d.jsonl")
    assert peek(ref).n == 3


def test_paths_in_a_column_are_relative_to_the_file(ref: DataRef) -> None:
    assert peek(ref).resolve("a/b.png") == ref.path.parent / "a/b.png"
    assert peek(ref).resolve("/a/b.png") == Path("/a/b.png")


@pytest.mark.parametrize(
    ("values", "truth"),
    [
        ([0, 1], True),
        ([True, False], True),
        ([0.0, 1.0], True),
        ([0, 2], False),
        (["0", "1"], False),
        ([0, None], False),
    ],
)
def test_a_column_of_truth_values(values: list[Any], truth: bool) -> None:
    assert is_truth(values) is truth
