"""Passes with some wires: all against arithmetic by hand, some against the engine, which knows nothing of sums."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import Kept, readouts
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.stations import Layout
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import (
    ALL,
    FACTUAL,
    LAST,
    Address,
    Assignment,
    Cell,
    Counterfactual,
    DataRef,
    Expr,
    Input,
    ModelRef,
    Site,
    Wire,
    World,
    world_of,
)
from causalcircuit.rows import Dataset, load
from tests.attribution.test_wires import moved
from tests.truth.say import M, do, read, row, site
from tests.wires.conftest import Pair, doubled, doubles, gpt2, llama  # noqa: F401  fixtures

torch.set_num_threads(1)
BOUND = 1e-9


def assigned(bench: Bench, kept: torch.Tensor, readout: Expr, start: World, end: World) -> World:
    """`do(A -> B = (A | from), …)` in `to`, for all wires that are not kept."""
    wiring = bench.wiring
    made = list(end.assignments)
    for i in range(len(wiring)):
        if not kept[i]:
            source = Site(wiring.writes[int(wiring.writers[i])], ALL)
            address = wiring.reads[int(wiring.readers[i])]
            target = readout if address is None else Site(address, ALL)
            made.append(Assignment(Wire(source, target), Counterfactual(source, start)))
    return world_of(made)


def by_group(world: World) -> World:
    """Keys and values under the name that the arithmetic by hand knows them by."""

    def of(e: Expr) -> Expr:
        if isinstance(e, Wire):
            return replace(e, target=of(e.target))
        if not isinstance(e, Site) or e.address.path[-1].name not in ("k", "v"):
            return e
        *lead, owner, which = e.address.path
        return Site(Address(M, (*lead, replace(owner, name="kv"), which)), e.position)

    return world_of(replace(a, target=of(a.target)) for a in world.assignments)


def ask(model: LoadedModel, data: Dataset, cells: list[Cell]) -> list[np.ndarray]:
    plan = make_plan(cells, data, {M: model.sites})
    found = execute(prepare(plan, {M: model}, data)).cells
    return [found[c] for c in cells]


def masks_of(n: int, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    some = [torch.rand(n, generator=draw) < share for share in (0.3, 0.6, 0.9)]
    return [torch.zeros(n, dtype=torch.bool), *some, torch.ones(n, dtype=torch.bool)]


@pytest.mark.parametrize("which", ["gpt2", "llama"])
@pytest.mark.parametrize("stream", ["embed", "inside"])
def test_against_arithmetic_by_hand(which: str, stream: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(which)
    readout = read("logit", row("answer"), position=LAST)
    start = moved(pair.model)
    if stream == "inside":  # `from` sets a head's read, and `to` what another head writes: neither is the plain sum
        start = do(*((a.target, a.value) for a in start.assignments), (site("layer[1].head[1].q"), 0.3))
    end = FACTUAL if stream == "embed" else do((site("layer[0].head[1].out"), 0.2))
    bench = Bench(Rows(pair.model, pair.data, Question(M, readout, start, end)))
    masks = masks_of(len(bench.wiring))
    found, passes = readouts(bench, masks)
    for mask, mine in zip(masks, found, strict=True):
        truth = pair.truth(Cell(readout, by_group(assigned(bench, mask, readout, start, end))))
        assert np.allclose(mine.numpy(), truth, rtol=0, atol=BOUND)
    assert np.allclose(found[-1], pair.truth(Cell(readout, end)), rtol=0, atol=BOUND)
    if stream == "embed":
        assert np.allclose(found[0], pair.truth(Cell(readout, start)), rtol=0, atol=BOUND)
    assert len({round(float(f[0]), 6) for f in found}) == len(masks)
    assert passes > len(masks) * pair.data.n


def test_parts_without_kept_wires_take_what_from_has() -> None:
    folder = Path(__file__).parents[2] / "examples"
    model = load_model(ModelRef(M, "./ioi", folder / "models/ioi", dtype="float64"))
    ref = DataRef("ioi", "jsonl", folder / "data/ioi.jsonl", (("prompt", row("clean")),))
    data = load(ref).take([0, 7, 12])
    readout, start = read("logit", row("io"), position=LAST), do((Input(M, "input"), row("corrupt")))
    bench = Bench(Rows(model, data, Question(M, readout, start, FACTUAL)))
    masks = masks_of(len(bench.wiring))
    some = masks[-1].clone()
    some[torch.randperm(len(some), generator=torch.Generator().manual_seed(3))[:8]] = False
    masks.append(some)
    found, _ = readouts(bench, masks)
    cells = [Cell(readout, w) for w in (start, FACTUAL, assigned(bench, some, readout, start, FACTUAL))]
    for mine, theirs in zip((found[0], found[4], found[5]), ask(model, data, cells), strict=True):
        assert np.allclose(mine.numpy(), theirs, rtol=0, atol=BOUND)
    copied = Kept(bench, range(data.n), Layout.of(bench.streams))
    assert copied.bare
    copied.bare = False  # the way that is held against arithmetic by hand
    for mask, mine in zip(masks, found, strict=True):
        assert np.allclose(mine.numpy(), copied.readout(mask).numpy(), rtol=0, atol=BOUND)
    assert np.ptp(found[:, 0].numpy()) > 0.1
