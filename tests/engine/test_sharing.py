"""Passes that share what their worlds have in common give what whole passes give, and do less."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalcircuit.engine.schedule as schedule
import causalcircuit.engine.sharing as sharing
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel, load
from causalcircuit.query import (
    ALL,
    LAST,
    Address,
    Cell,
    DataRef,
    ModelRef,
    OutcomeTable,
    Part,
    Site,
    Text,
    World,
)
from causalcircuit.rows import Dataset
from causalcircuit.rows import load as load_rows
from tests.families import Family, folder_of, named
from tests.families.loading import text_families
from tests.families.standing import casts
from tests.truth.say import M, cell, do, feed, given, index, mean, op, read, row, site

FAST = ("gpt2", "llama", "falcon", "t5")
WORDS = ("Mary", "John", "Anna", "Tom", "Sarah", "Peter")
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return lambda name: folder_of(name, tmp_path_factory)


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts of three lengths; the other one of a row differs late."""
    lines = []
    for i, name in enumerate(WORDS):
        start = " ".join(["old", "red"][: i % 3])
        text = f"{start} {{}} met {name} and gave the {{}}".strip()
        lines.append({"prompt": text.format("Tom", "book"), "other": text.format("Tom", "letter")})
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def data_of(kind: str, path: Path) -> Dataset:
    feeds: dict[str, object] = {"prompt": row("prompt")}
    if kind == "encoder-decoder":
        feeds["prefix"] = Text("The king gave a")
    return load_rows(DataRef("d", "jsonl", path, tuple(feeds.items())))  # type: ignore[arg-type]


def worlds(model: LoadedModel, kind: str) -> dict[str, World]:
    """Heads, MLPs and streams of every layer, at all positions, late ones and the last, from another prompt and not."""
    lead = "encoder." if kind == "encoder-decoder" else ""
    other = do((feed("input"), row("other")))
    found = {"factual": do(), "other": other}
    for layer in range(model.sites.tower(lead.rstrip(".")).layers):
        at = f"{lead}layer[{layer}]"
        for name, place in (("all", ALL), ("last", LAST), ("third", index(2))):
            head = site(f"{at}.head[1].out", place)
            found[f"{at} head {name}"] = do((head, given(head, other)))
        mlp, stream = site(f"{at}.mlp.out", LAST), site(f"{at}.resid", LAST)
        found[f"{at} mlp"] = do((mlp, mean(mlp)))
        found[f"{at} stream"] = do((stream, op(stream, "*", 2)))
        found[f"{at} keys"] = do((site(f"{at}.kv[0].k", index(1)), 0))
        both = site(f"{at}.head[0].out", LAST)
        found[f"{at} both"] = do((both, 0), (mlp, given(mlp, do((both, 0)))))
    return found


def cells_of(model: LoadedModel, kind: str) -> list[Cell]:
    space = " " if "qwen2" in str(model.ref.folder) else ""
    outcomes = [read("logit", f"{space}book"), read("logprob", f"{space}letter", position=index(2))]
    return [cell(r, w) for w in worlds(model, kind).values() for r in outcomes]


def ask(model: LoadedModel, data: Dataset, cells: Sequence[Cell], **how: Any) -> OutcomeTable:
    return execute(prepare(make_plan(list(cells), data), {M: model}, data), **how)


def gap(one: OutcomeTable, two: OutcomeTable) -> float:
    """The largest difference of an outcome, relative to the largest."""
    a, b = (np.array(list(t.cells.values())) for t in (one, two))
    return float(np.abs(a - b).max() / np.abs(a).max())


def check(family: Family, folder: Path, prompts: Path, dtype: str) -> None:
    data = data_of(family.kind, prompts)
    model = load(ModelRef(M, "m", folder, dtype=dtype))  # type: ignore[arg-type]
    cells = cells_of(model, family.kind)
    bar = 1e-8 if dtype == "float64" and not casts(model) else 1e-5
    naive = ask(model, data, cells, how="naive")
    shared, small = ask(model, data, cells), ask(model, data, cells, max_tokens=40)
    assert gap(naive, shared) <= bar
    assert gap(naive, small) <= bar
    assert [n.code for n in (*shared.notes, *small.notes) if n.code in ("CQ704", "CQ705")] == []


@pytest.mark.parametrize("name", FAST)
def test_shared_passes_equal_whole_ones(name: str, folder: Folder, prompts: Path) -> None:
    check(named(name), folder(name), prompts, "float64")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", text_families(), ids=lambda family: family.name)
def test_shared_passes_of_all_families(family: Family, dtype: str, folder: Folder, prompts: Path) -> None:
    check(family, folder(family.name), prompts, dtype)


@contextmanager
def counted(model: LoadedModel) -> Iterator[Counter[int]]:
    """The positions that each block's attention is given."""
    seen: Counter[int] = Counter()

    def count(number: int) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            seen[number] += args[0].shape[0] * args[0].shape[1]

        return hook

    blocks = model.stacks[-1].blocks
    handles = [b.attention.projection.register_forward_hook(count(i)) for i, b in enumerate(blocks)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture(scope="module")
def gpt2(folder: Folder) -> LoadedModel:
    return load(ModelRef(M, "m", folder("gpt2"), dtype="float64"))


@pytest.fixture(scope="module")
def rows(prompts: Path) -> Dataset:
    return data_of("decoder", prompts)


def heads(model: LoadedModel, layer: int, place: Any = LAST) -> list[Cell]:
    """A readout in worlds that silence the heads of a layer, and in the factual one."""
    count = model.sites.readout_tower.heads
    nodes = [site(f"layer[{layer}].head[{j}].out", place) for j in range(count)]
    return [cell(read("logit", "book")), *(cell(read("logit", "book"), do((node, 0))) for node in nodes)]


def test_blocks_before_the_first_assignment_run_once(gpt2: LoadedModel, rows: Dataset) -> None:
    last = gpt2.sites.readout_tower.layers - 1
    with counted(gpt2) as shared:
        ask(gpt2, rows, heads(gpt2, last, ALL))
    with counted(gpt2) as naive:
        ask(gpt2, rows, heads(gpt2, last, ALL), how="naive")
    worlds_in_all = 1 + gpt2.sites.readout_tower.heads
    assert naive[0] == shared[0] * worlds_in_all
    # In the last block only the positions that are read go through the output projection.
    bare = naive[last] // worlds_in_all
    assert shared[last] == bare + rows.n * (worlds_in_all - 1) + 1, "the last one is the witness"


def test_positions_before_the_first_assignment_come_from_the_cache(gpt2: LoadedModel, rows: Dataset) -> None:
    with counted(gpt2) as naive:
        whole = ask(gpt2, rows, heads(gpt2, 0), how="naive")
    for side in ("left", "right"):
        model = replace(gpt2, side=side)
        with counted(model) as shared:
            found = ask(model, rows, heads(model, 0))
        assert gap(whole, found) < 1e-12
        assert shared[0] < naive[0] / 2, side


def test_what_comes_from_a_world_that_is_alike_so_far_changes_nothing_there(gpt2: LoadedModel, rows: Dataset) -> None:
    """The other prompt differs in its last word, so heads at all positions are assigned what they are, but there."""
    other = do((feed("input"), row("other")))
    nodes = [site(f"layer[0].head[{j}].out", ALL) for j in range(gpt2.sites.readout_tower.heads)]
    cells = [cell(read("logit", "book"), do((n, given(n, other)))) for n in nodes]
    asked = [cell(read("logit", "book")), *cells]
    with counted(gpt2) as shared:
        found = ask(gpt2, rows, asked)
    with counted(gpt2) as naive:
        whole = ask(gpt2, rows, asked, how="naive")
    assert gap(whole, found) < 1e-12
    assert np.abs(np.array(list(found.cells.values()))[1:] - next(iter(found.cells.values()))).max() > 1e-3
    assert shared[0] < 0.6 * naive[0]


@pytest.mark.parametrize("lies", ["stream", "cache", "error"])
def test_a_replay_that_proves_wrong_is_not_used(
    gpt2: LoadedModel, rows: Dataset, monkeypatch: pytest.MonkeyPatch, lies: str
) -> None:
    true = sharing.resumed

    @contextmanager
    def wrong(
        model: LoadedModel, trace: Any, items: Any, tower: int, layer: int, first: int = 0, **more_said: Any
    ) -> Iterator[Any]:
        if lies == "error":
            raise RuntimeError("shapes do not fit")
        made = trace
        if lies == "stream":
            made = replace(trace, outputs={b: o * 1.01 for b, o in trace.outputs.items()}, mixed={})
        with true(model, made, items, tower, layer, first, **more_said) as more:
            if lies == "cache" and first:
                for kept in more["past_key_values"].layers:
                    kept._kept = type("Kept", (), {"keys": kept._kept.keys * 1.01, "values": kept._kept.values})
            yield more

    layer = gpt2.sites.readout_tower.layers - 1
    asked = [*heads(gpt2, layer - 1), *heads(gpt2, layer, ALL)]
    naive = ask(gpt2, rows, asked, how="naive")
    monkeypatch.setattr(schedule, "_PASS", 0)  # else so small a model runs all in one pass
    monkeypatch.setattr(schedule, "_OVERHEAD", 0)
    monkeypatch.setattr(sharing, "resumed", wrong)
    found = ask(gpt2, rows, asked)
    assert gap(naive, found) < 1e-12
    (note,) = [n for n in found.notes if n.code == "CQ704"]
    assert ("first position" if lies == "cache" else "whole") in note.message


@pytest.mark.parametrize("most", [6, 3, 1])
def test_passes_that_do_not_fit_are_halved(
    gpt2: LoadedModel, rows: Dataset, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """With room for six items the recorded pass of six rows fits, with room for fewer it does not."""
    asked = heads(gpt2, 1, ALL)
    naive = ask(gpt2, rows, asked, how="naive")
    true = LoadedModel.forward
    sizes: list[int] = []

    def little(self: LoadedModel, batch: Any, taps: Any, visit: Any) -> Tensor:
        if batch.size > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(batch.size)
        return true(self, batch, taps, visit)

    monkeypatch.setattr(LoadedModel, "forward", little)
    for how in ("naive", "full"):
        found = ask(gpt2, rows, asked, how=how)
        assert gap(naive, found) < 1e-12
        assert [n.code for n in found.notes] == ["CQ705"]
    assert max(sizes) <= most


@pytest.mark.parametrize("name", ["gpt2", "bert", "t5", "falcon"])
def test_attention_before_the_first_assignment_runs_once(name: str, folder: Folder, prompts: Path) -> None:
    """A head's output is assigned after its block's attention, which then need not run again."""
    family = named(name)
    model = load(ModelRef(M, "m", folder(name), dtype="float64"))
    lead = "encoder." if family.kind == "encoder-decoder" else ""
    layer = model.sites.tower(lead.rstrip(".")).layers - 1
    stack = next(s for s in model.stacks if s.tower.prefix == lead)
    node = site(f"{lead}layer[{layer}].head[1].out", LAST)
    asked = [cell(read("logit", "book", position=index(2)), w) for w in (do(), do((node, 0)), do((node, 1)))]
    data, projection = data_of(family.kind, prompts), stack.blocks[layer].attention.projection
    first = next(
        m for m in stack.blocks[layer].attention.core.modules() if m is not projection and hasattr(m, "weight")
    )
    times: Counter[str] = Counter()
    handles = [
        m.register_forward_hook(lambda *_, n=n: times.update([n])) for n, m in (("map", first), ("out", projection))
    ]
    found = ask(model, data, asked)
    for handle in handles:
        handle.remove()
    assert gap(ask(model, data, asked, how="naive"), found) < 1e-9
    assert (times["map"], times["out"]) == (1, 2)


def test_modules_by_their_path_are_seen_at_no_known_moment(gpt2: LoadedModel, rows: Dataset) -> None:
    """Nothing before such a module is taken over from a recorded pass, and nothing behind it is left out."""
    paths = ("transformer.drop", "transformer.h.0.ln_1", "transformer.h.0.attn.c_attn", "transformer.h.2.mlp")
    found = [Site(Address(M, (Part("module", text=path),)), place) for path in paths for place in (ALL, LAST)]
    last = gpt2.sites.readout_tower.layers - 1
    head = site(f"layer[{last}].head[0].out", LAST)
    made = [do((node, 0)) for node in found] + [do((head, 0)), do((found[0], 0), (head, 1))]
    asked = [cell(read("logit", "book"), w) for w in (do(), *made)]
    naive, shared = ask(gpt2, rows, asked, how="naive"), ask(gpt2, rows, asked)
    assert gap(naive, shared) < 1e-12
    values = np.array(list(shared.cells.values()))
    assert (np.abs(values[1:] - values[0]).max(axis=1) > 1e-6).all(), "each world has an effect"
    assert not [n for n in shared.notes if n.code == "CQ704"]
