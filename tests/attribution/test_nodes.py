"""Scores of nodes against the readout's slope along each of them, in float64 to 1e-6, family by family.

The slope is a central difference through the engine, `do(A = A + t * ((A | to) - A))`, which knows nothing of
gradients. Exact scores are held against what the language says of a node.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from causalcircuit.attribution import METHODS, Question, node_scores
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.query import (
    ALL,
    FACTUAL,
    FIRST,
    LAST,
    Address,
    Assignment,
    Binary,
    Cell,
    Counterfactual,
    Number,
    Part,
    Position,
    Site,
    World,
)
from causalcircuit.query.circuits.formulas import NODE_METHODS
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.rows import Dataset
from tests.attribution.test_wires import BOUND, FAST, SLOW, STENCIL, STEPS, model_and_rows, moved
from tests.truth.say import M, op, read, site
from tests.wires.conftest import doubled

torch.set_num_threads(1)


def every(model: LoadedModel, positions: tuple[Position, ...] = (ALL,)) -> tuple[Site, ...]:
    """One node at least of every kind that a model has, in every layer."""
    table = model.sites
    found = [s.address for s in nodes_of(table, M)]
    for tower in table.towers:
        lead = (Part(tower.name),) if tower.name else ()
        for i in range(tower.layers):
            block = (*lead, Part("layer", i))
            owner = "head" if tower.groups == tower.heads else "kv"
            for across in ((), (Part("cross"),)) if tower.cross else ((),):
                found.append(Address(M, (*block, *across, Part("head", tower.heads - 1), Part("q"))))
                found += [Address(M, (*block, *across, Part(owner, 0), Part(x))) for x in "kv"]
            names = ["resid", "resid_mid", "attn.in", "attn.out", "mlp.in"]
            names = [n for n in names if n not in dict(tower.missing)]
            found += [Address(M, (*block, *(Part(p) for p in n.split(".")))) for n in names]
            if tower.mixed(i):
                found += [Address(M, (*block, Part("expert", e), Part("out"))) for e in range(tower.experts)]
            else:
                found += [Address(M, (*block, Part("mlp"), Part("neuron", k))) for k in (0, tower.mlp - 1)]
    known = [a for a in found if table.info(a).tensor not in model.refused]
    return tuple(Site(a, p) for a in known for p in positions)


def differences(
    model: LoadedModel,
    data: Dataset,
    readout: object,
    nodes: tuple[Site, ...],
    end: World,
    width: float,
    start: World = FACTUAL,
) -> np.ndarray:
    """[rows, nodes] the slope of the readout along each node."""
    cells = []
    for node in nodes:
        for step, _ in STENCIL:
            way = Binary("-", Counterfactual(node, end), node)
            value = Binary("+", node, Binary("*", Number(step * width), way))
            cells.append(Cell(readout, World((*start.assignments, Assignment(node, value)))))
    plan = make_plan(cells, data, {M: model.sites})
    found = execute(prepare(plan, {M: model}, data)).cells
    values = np.array([found[c] for c in cells]).reshape(len(nodes), len(STENCIL), -1)
    return np.einsum("nsr,s->rn", values, [c for _, c in STENCIL]) / width


def held(name: str, factory: pytest.TempPathFactory, positions: tuple[Position, ...], bound: float) -> None:
    with warnings.catch_warnings(action="ignore"):
        model, data, word = model_and_rows(name, factory)
    readout, end, nodes = read("logit", word, position=LAST), moved(model), every(model, positions)
    found = node_scores(model, data, Question(M, readout, FACTUAL, end), "atp", over=nodes)
    assert found.sites == nodes
    size = float(np.abs(found.table).max())
    assert size > 1e-4
    near = bound * max(size, 1)
    gaps = np.abs(differences(model, data, readout, nodes, end, STEPS[0]) - found.table)
    wide = [n for n, gap in zip(nodes, gaps.max(0), strict=True) if gap > near]
    if wide:  # behind a kink the narrower step is right
        at = [nodes.index(n) for n in wide]
        gaps = np.abs(differences(model, data, readout, tuple(wide), end, STEPS[1]) - found.table[:, at])
        assert gaps.max() <= near, [str(n) for n, gap in zip(wide, gaps.max(0), strict=True) if gap > near]


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_scores_are_slopes(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = name in ("gptj", "bloom")
    with nullcontext() if own else doubled():
        held(name, tmp_path_factory, (ALL,), 1e-4 if own else BOUND)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_scores_at_positions_are_slopes(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with doubled():
        held(name, tmp_path_factory, (LAST, FIRST, Position("list", parts=(FIRST, LAST))), BOUND)


def test_scores_in_a_world_with_assignments(tmp_path_factory: pytest.TempPathFactory) -> None:
    with doubled():
        model, data, word = model_and_rows("gpt2", tmp_path_factory)
        readout = read("logit", word, position=LAST)
        head, query = site("layer[0].head[1].out", ALL), site("layer[1].head[0].q", ALL)
        start = World((Assignment(head, op(op(head, "*", 0.5), "+", 0.1)), Assignment(query, op(query, "*", 0.3))))
        end = moved(model)
        nodes = tuple(n for n in every(model) if n not in (head, query))
        # What holds another node's tensor, or lies in it, is written by both assignments: the language takes one.
        nodes = tuple(n for n in nodes if n.address.local not in ("layer[0].attn.out", "layer[1].head[1].q"))
        found = node_scores(model, data, Question(M, readout, start, end), "atp", over=nodes).table
        slopes = differences(model, data, readout, nodes, end, STEPS[0], start)
    np.testing.assert_allclose(found, slopes, rtol=0, atol=BOUND * np.abs(found).max())
    assert np.abs(found).max() > 1e-3


def test_all_node_methods_are_known_to_the_checker() -> None:
    assert {name for name, m in METHODS.items() if m.of == "nodes"} == set(NODE_METHODS)
