"""Every wire's score against the readout's slope along that wire alone, in float64 to 1e-6, family by family.

The slope is a central difference through the engine's own wires, `do((A -> B) = A + t * ((A | to) - A))`, which know
nothing of gradients.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.attribution import Question, scores
from causalcircuit.attribution.walk import Wiring
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import (
    ALL,
    FACTUAL,
    LAST,
    Assignment,
    Binary,
    Cell,
    Counterfactual,
    DataRef,
    ModelRef,
    Number,
    Site,
    Text,
    Wire,
    World,
)
from causalcircuit.rows import Dataset, load
from tests.families import folder_of, named
from tests.families.vision_parts import pictures
from tests.truth import tiny
from tests.truth.say import M, op, read, row, site
from tests.wires.conftest import doubled

torch.set_num_threads(1)
BOUND = 1e-6
STEPS = (2e-3, 1e-5)
"""The narrower one for what has kinks."""
STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
"""f'(0) = Σ cᵢ f(i h) / h, with an error of order h⁴."""
FAST = ("gpt2", "llama", "gemma2", "bart", "llava")
SLOW = (
    "gpt_neox", "falcon", "gptj", "bloom", "opt", "granite", "olmo2", "qwen3", "mixtral", "t5", "bert",
    "vision_encoder_decoder",
)  # fmt: skip
SEEN = ("vision_encoder_decoder", "llava")


def model_and_rows(name: str, factory: pytest.TempPathFactory) -> tuple[LoadedModel, Dataset, str]:
    model = load_model(ModelRef(M, f"./{name}", Path(folder_of(name, factory)), dtype="float64"))
    root = factory.mktemp("rows")
    line = {"prompt": "the old king said no", "photo": "p.png"}
    feeds: dict[str, object] = {"prompt": row("prompt")}
    if name in SEEN:
        pictures()[0].save(root / "p.png")
        feeds["image"] = row("photo")
        if name == "vision_encoder_decoder":
            feeds = {"image": row("photo"), "prefix": Text("a")}
    elif named(name).kind == "encoder-decoder":
        feeds["prefix"] = Text("The king gave a")
    data = load(DataRef("d", "jsonl", tiny.write_lines(root / "d.jsonl", [line]), tuple(feeds.items())))
    return model, data, "John" if name == "llava" else "book"


def moved(model: LoadedModel) -> World:
    """A world with other inputs: the first streams of all towers that nothing else writes into, stretched."""
    towers = [t for t in model.sites.towers if not (model.sites.projector and t is model.sites.readout_tower)]
    nodes = [site(f"{t.prefix}embed", ALL) for t in towers]
    return World(tuple(Assignment(n, op(op(n, "*", 1.3), "+", 0.02 * (k + 1))) for k, n in enumerate(nodes)))


def slope(
    model: LoadedModel, data: Dataset, readout: object, wire: Wire, end: World, width: float, start: World = FACTUAL
) -> float:
    cells = []
    for step, _ in STENCIL:
        source = wire.source
        there = Counterfactual(source, end)
        way = Binary("-", there, source)
        value = Binary("+", source, Binary("*", Number(step * width), way))
        cells.append(Cell(readout, World((*start.assignments, Assignment(wire, value)))))
    plan = make_plan(cells, data, {M: model.sites})
    found = execute(prepare(plan, {M: model}, data)).cells
    return sum(c * float(found[cell][0]) for cell, (_, c) in zip(cells, STENCIL, strict=True)) / width


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_scores_are_slopes(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    # GPT-J and BLOOM are watched at work: a softmax of another name would not be seen. They cast to float32 inside.
    own = name in ("gptj", "bloom")
    with nullcontext() if own else doubled():
        hold(name, tmp_path_factory, 1e-4 if own else BOUND)


def test_scores_in_a_world_with_assignments(tmp_path_factory: pytest.TempPathFactory) -> None:
    model, data, word = model_and_rows("gpt2", tmp_path_factory)
    readout = read("logit", word, position=LAST)
    head, query = site("layer[0].head[1].out", ALL), site("layer[1].head[0].q", ALL)
    start = World((Assignment(head, op(op(head, "*", 0.5), "+", 0.1)), Assignment(query, op(query, "*", 0.3))))
    end = moved(model)
    found = scores(model, data, Question(M, readout, start, end), "eap")
    wiring, table = found.wiring, found.table[0]
    for i in np.abs(table).argsort()[::-1][:40:4]:
        source, target = wiring.writes[int(wiring.writers[i])], wiring.reads[int(wiring.readers[i])]
        if source == head.address or target == query.address:
            continue  # the wire's own assignment would say twice what stands there
        wire = Wire(Site(source, ALL), readout if target is None else Site(target, ALL))
        assert slope(model, data, readout, wire, end, STEPS[0], start) == pytest.approx(table[i], abs=BOUND)


def beside(wiring: Wiring, i: int, j: int) -> bool:
    """Whether a wire leads from the projector to where another one ends."""
    same = wiring.readers[j] == wiring.readers[i]
    return bool(same) and str(wiring.writes[int(wiring.writers[j])]) == "m.projector.out"


def hold(name: str, tmp_path_factory: pytest.TempPathFactory, bound: float) -> None:
    with warnings.catch_warnings(action="ignore"):
        model, data, word = model_and_rows(name, tmp_path_factory)
    readout = read("logit", word, position=LAST)
    end = moved(model)
    found = scores(model, data, Question(M, readout, FACTUAL, end), "eap")
    table = found.table[0]
    size = np.abs(table).max()
    assert size > 1e-4
    rng = np.random.default_rng(5)
    # One wire of each kind of ends at least, and the strongest.
    kinds: dict[tuple[str, str], int] = {}
    order = rng.permutation(len(table))
    wiring = found.wiring
    for i in order:
        ends = wiring.writes[int(wiring.writers[i])], wiring.reads[int(wiring.readers[i])]
        kinds.setdefault(tuple("" if a is None else "".join(p.name for p in a.path) for a in ends), int(i))  # type: ignore[arg-type]
    chosen = dict.fromkeys([*kinds.values(), int(np.abs(table).argmax())])
    for i in chosen:
        source = Site(wiring.writes[int(wiring.writers[i])], ALL)
        target = wiring.reads[int(wiring.readers[i])]
        wire = Wire(source, readout if target is None else Site(target, ALL))
        score = table[i]
        if model.sites.projector and str(source.address) == "m.embed":
            # As a site it holds what images became, too; as a node it is what the embedding alone wrote.
            score += sum(table[j] for j in range(len(table)) if beside(wiring, i, j))
        wanted = pytest.approx(score, abs=bound * max(size, 1))
        near = slope(model, data, readout, wire, end, STEPS[0])
        if near != wanted:
            near = slope(model, data, readout, wire, end, STEPS[1])
        assert near == wanted, (str(source.address), str(target))
