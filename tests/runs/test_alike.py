"""Rows that are alike and taken for independent are noticed, with the fix; others are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from causalcircuit.inference import shared
from causalcircuit.query import Column, DataRef, Estimation, Expect, Options, OutcomeTable, Query
from causalcircuit.rows import Dataset
from causalcircuit.runs.alike import _templates, alike


def said(columns: dict[str, list], y: np.ndarray | None = None, **more: object) -> list[tuple[str, str]]:
    """The codes and the ways out for `E[row.y]` over these rows."""
    n = len(next(iter(columns.values())))
    values = np.random.default_rng(0).normal(size=n) if y is None else y
    options = more.pop("options", Options())
    folder = more.pop("folder", Path("/nowhere"))
    ref = DataRef("d", "jsonl", folder / "d.jsonl", **more)  # type: ignore[arg-type, operator]
    data = Dataset(ref, {**columns, "y": values.tolist()}, tuple(range(n)))
    asked = Estimation((Query("ate", Expect(Column("y"))),), ref, options)  # type: ignore[arg-type]
    table = OutcomeTable(np.arange(n), {}, columns={"y": values})
    return [(d.code, f"{d.message} / {d.help[0]}") for d in alike(data, table, [asked])]


VERBS = [f"verb{i}" for i in range(40)]
ALONE = [f"{a} went {b} to the {c}" for a, b, c in zip(VERBS, VERBS[::-1], VERBS[20:] + VERBS[:20], strict=True)]


def test_rows_without_anything_in_common_are_left_alone() -> None:
    assert said({"prompt": ALONE, "id": [str(i) for i in range(40)], "kind": ["a", "b"] * 20}) == []


def test_the_column_that_keeps_alike_rows_together_is_the_fix() -> None:
    texts = [f"{a} and {a} saw the {thing}" for a in VERBS[:20] for thing in ("dog", "cat")]
    groups = _templates(texts)
    assert len(set(groups)) == 20
    columns = {"prompt": texts, "pair": [t.split()[0] for t in texts], "half": ["x"] * 20 + ["y"] * 20}
    [(code, text)] = said(columns)
    assert code == "CQ917"
    assert "40 of 40 rows of `d` share their text up to one word (`row.prompt`)" in text
    assert text.split(" / ")[1].startswith("write `cluster row.pair`")
    del columns["pair"], columns["half"]
    [(_, text)] = said(columns)
    assert "number what is shared in a column" in text


def test_one_template_of_all_rows_is_no_sample_of_templates() -> None:
    assert said({"prompt": [f"the {v} sleeps" for v in VERBS]}) == []


def test_the_same_image_is_seen_by_its_path_and_by_its_bytes(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(bytes([i]) * 50)
        (tmp_path / f"copy{i}.png").write_bytes(bytes([i]) * 50)
    twice = [f"{i}.png" for i in range(20)] * 2
    copies = [f"{i}.png" for i in range(20)] + [f"copy{i}.png" for i in range(20)]
    for files in (twice, copies):
        [(code, text)] = said({"image": files, "scene": [str(i) for i in range(20)] * 2}, folder=tmp_path)
        assert code == "CQ917"
        assert "40 of 40 rows of `d` show an image that another row shows too (`row.image`)" in text
        assert "cluster row.image" in text if files is twice else "cluster row.scene" in text
    assert said({"image": [f"{i}.png" for i in range(20)]}, folder=tmp_path) == []


def test_a_column_that_explains_the_estimate_is_named() -> None:
    rng = np.random.default_rng(3)
    names = [f"n{i}" for i in range(15)] * 6
    y = np.tile(rng.normal(size=15), 6) + 0.5 * rng.normal(size=90)
    [(code, text)] = said({"names": names, "other": [f"o{i}" for i in range(30)] * 3}, y)
    assert code == "CQ918"
    assert "`row.names` explains" in text
    assert "of how `ate` varies: its 15 values repeat over 90 rows" in text
    assert "cluster row.names" in text
    noise = rng.normal(size=90)
    assert said({"names": names}, noise) == []


@pytest.mark.parametrize("more", [{"cluster": Column("names")}, {"options": Options(population=True)}])
def test_a_sampling_unit_or_a_population_is_an_answer(more: dict) -> None:
    names = [f"n{i}" for i in range(15)] * 6
    y = np.tile(np.arange(15.0), 6)
    assert said({"names": names}, y, **more) == []


def test_few_rows_and_few_values_say_nothing() -> None:
    assert said({"names": ["a", "b", "c"] * 4}, np.tile([0.0, 5.0, 9.0], 4)) == []
    assert said({"names": ["a", "b", "c"] * 30}, np.tile([0.0, 5.0, 9.0], 30)) == []


def test_it_is_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(5)
    sizes = [3, 5, 2, 6, 4]
    labels = [g for g, m in enumerate(sizes) for _ in range(m)]
    y = rng.normal(size=20) + np.array(labels)
    found = shared(labels, y)
    want = stats.f_oneway(*[y[np.array(labels) == g] for g in range(5)])
    assert found is not None
    assert found.p == pytest.approx(want.pvalue)
    equal = shared([0, 0, 1, 1, 2, 2], np.array([1.0, 1, 2, 2, 5, 5]))
    assert equal is not None
    assert (equal.icc, equal.p) == (1.0, 0.0)
    assert equal.wider == pytest.approx(np.sqrt(2))
    assert shared(list(range(6)), y[:6]) is None
    assert shared([0] * 6, y[:6]) is None


def test_the_factor_is_that_of_clustered_intervals() -> None:
    """Means of 200 clusters of 5 whose variance is half between them: √(1 + 4 · 0.5) = 1.73 times as wide."""
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(200), 5)
    y = rng.normal(size=200)[labels] + rng.normal(size=1000)
    found = shared(labels.tolist(), y)
    assert found is not None
    assert found.icc == pytest.approx(0.5, abs=0.08)
    means = y.reshape(200, 5).mean(axis=1)
    assert found.wider == pytest.approx(stats.sem(means) / stats.sem(y), rel=0.05)
