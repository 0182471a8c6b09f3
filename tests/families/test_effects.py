"""Effects do not depend on how a text is run: alone or in a batch, padded on either side, under sdpa or eager.

Effects are differences of each row's logit contrast between a world and the factual one. Two runs agree where no
effect differs by more than 1e-5 of the largest contrast of any row and world, which is the scale of what is subtracted.
In float64 the bound is 1e-11, but 1e-5 where a module calculates in float32 (the table says which).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel, load
from causalcircuit.models.contract.padding import padding_holds
from causalcircuit.query import Cell, DataRef, ModelRef, Text, World
from causalcircuit.rows import Dataset
from causalcircuit.rows import load as load_rows
from tests.families import Family, named
from tests.families.committed import remarks
from tests.families.loading import text_families
from tests.families.standing import casts
from tests.truth.say import M, cell, do, feed, given, index, mean, op, read, row, site

FAST = ("gpt2", "bert", "falcon_alibi", "t5")
NAMES = ("Mary", "John", "Anna", "Tom", "Sarah", "Peter", "Bartholomew", "Elisabeth")
FORMS = (
    "{} met {} in",
    "{} and {} went to the garden , then she gave the red",
    "old {} saw {} , and he has",
    "{} said no to {}",
)
CALM = {"float32": 1e-5, "float64": 1e-11}
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Thirty-two prompts of four lengths, each with another of another length; and as many, all of one length."""
    root = tmp_path_factory.mktemp("rows")
    pairs = list(itertools.permutations(NAMES, 2))[:32]
    for name, forms in (("ragged", FORMS), ("even", FORMS[:1])):
        lines = []
        for i, pair in enumerate(pairs):
            here, there = forms[i % len(forms)], forms[(i + 1) % len(forms)]
            lines.append(json.dumps({"prompt": here.format(*pair), "other": there.format(*pair[::-1])}))
        (root / f"{name}.jsonl").write_text("\n".join(lines))
    return root / "ragged.jsonl", root / "even.jsonl"


def data_of(family: Family, path: Path) -> Dataset:
    feeds: dict[str, object] = {"prompt": row("prompt")}
    if family.kind == "encoder-decoder":
        feeds["prefix"] = Text("The king gave a")
    return load_rows(DataRef("d", "jsonl", path, tuple(feeds.items())))  # type: ignore[arg-type]


def worlds(family: Family) -> dict[str, World]:
    """A head silenced, keys averaged over rows, an MLP silenced, and a stream taken from another prompt."""
    lead = "encoder." if family.kind == "encoder-decoder" else ""
    head = site(f"{lead}layer[1].head[1].out", index(2))
    keys = site(f"{lead}layer[1].kv[0].k", index(1))
    mlp = site(f"{lead}layer[0].mlp.out", index(2))
    stream = site(f"{lead}layer[1].resid", index(2))
    other = do((feed("input"), row("other")))
    return {
        "factual": World(),
        "head": do((head, 0)),
        "keys": do((keys, mean(keys))),
        "mlp": do((mlp, 0)),
        "stream": do((stream, given(stream, other))),
    }


def contrasts(model: LoadedModel, data: Dataset, family: Family, *, alone: bool) -> NDArray[np.float64]:
    """[worlds, rows] the contrast of two words, one row a pass or all rows of all worlds in one."""
    where = index(2)
    space = " " if family.name == "qwen2" else ""  # a byte-level tokenizer: words hold the space before them
    book, letter = (read("logit", f"{space}{word}", position=where) for word in ("book", "letter"))
    outcome = op(book, "-", letter)
    cells: dict[str, Cell] = {name: cell(outcome, w) for name, w in worlds(family).items()}
    prepared = prepare(make_plan(list(cells.values()), data), {M: model}, data)
    table = execute(prepared, max_tokens=1 if alone else 1 << 20)
    return np.array([table.cells[c] for c in cells.values()])


def gap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The largest difference of an effect, relative to the largest contrast."""
    effects = [x[1:] - x[0] for x in (one, other)]
    return float(np.abs(effects[0] - effects[1]).max() / np.abs(one).max())


def bound(models: Sequence[LoadedModel], dtype: str) -> float:
    return CALM[dtype] if dtype == "float32" or not any(casts(m) for m in models) else CALM["float32"]


def check(family: Family, folder: Path, dtype: str, rows: tuple[Path, Path]) -> None:
    ragged, even = (data_of(family, path) for path in rows)
    models = {a: load(ModelRef(M, "m", folder, dtype=dtype), a, "right") for a in family.attentions}  # type: ignore[arg-type]
    limit = bound(list(models.values()), dtype)
    said = remarks(family.name)
    alone: Mapping[str, NDArray[np.float64]] = {a: contrasts(m, ragged, family, alone=True) for a, m in models.items()}
    for attention, model in models.items():
        effects = alone[attention][1:] - alone[attention][0]
        assert (np.abs(effects).max(axis=1) > 1e-3).all(), "each world has an effect"
        if any(x.startswith("a text far shorter") and f"{dtype} {attention}" in x for x in said):
            with pytest.raises(DiagnosticError, match="CQ701"):
                contrasts(model, ragged, family, alone=False)
            continue
        assert gap(alone[attention], contrasts(model, ragged, family, alone=False)) <= limit, f"{attention}, right"
        left = replace(model, side="left")
        if padding_holds(left, model.probe):
            assert gap(alone[attention], contrasts(left, ragged, family, alone=False)) <= limit, f"{attention}, left"
        else:
            lines = [x for x in said if x.startswith("texts are padded on the right")]
            assert lines
            assert all("(" not in x or f"{dtype} {attention}" in x for x in lines)
    first = next(iter(models.values()))
    many = contrasts(first, even, family, alone=False)
    assert gap(contrasts(first, even, family, alone=True), many) <= limit, "no padding"
    if len(models) == 2:
        apart = gap(alone["sdpa"], alone["eager"]) > limit
        assert apart == any(x.startswith("sdpa and eager compute different outputs") for x in said)


@pytest.mark.parametrize("name", FAST)
def test_effects_are_the_same_however_texts_are_run(name: str, folder: Folder, rows: tuple[Path, Path]) -> None:
    check(named(name), folder(name), "float32", rows)


def test_effects_are_the_same_in_float64(folder: Folder, rows: tuple[Path, Path]) -> None:
    check(named("gpt2"), folder("gpt2"), "float64", rows)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", text_families(), ids=lambda family: family.name)
def test_effects_of_all_families(family: Family, dtype: str, folder: Folder, rows: tuple[Path, Path]) -> None:
    check(family, folder(family.name), dtype, rows)
