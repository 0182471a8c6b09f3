"""AtP* by brute force: the softmax by hand, the rest by differences of forward passes, layers held or not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from causalcircuit.attribution import Question, node_scores
from causalcircuit.attribution.methods import atp_star as method
from causalcircuit.attribution.nodes import NodeBench, NodeChunk
from causalcircuit.models import LoadedModel
from causalcircuit.query import ALL, FACTUAL, FIRST, LAST, Position, Site
from causalcircuit.rows import Dataset
from tests.attribution.test_nodes import every
from tests.attribution.test_wires import BOUND, STENCIL, STEPS, model_and_rows, moved
from tests.truth.say import M, read, site
from tests.wires.conftest import doubled

torch.set_num_threads(1)
LATER = Position("index", index=2)


@dataclass(repr=False)
class Asked:
    model: LoadedModel
    data: Dataset
    question: Question


def asked_of(name: str, factory: pytest.TempPathFactory) -> Asked:
    with warnings.catch_warnings(action="ignore"):
        model, data, word = model_and_rows(name, factory)
    return Asked(model, data, Question(M, read("logit", word, position=LAST), FACTUAL, moved(model)))


def attended(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """[places, width] causal attention of one text, with keys and values that groups of heads share."""
    n, width = q.shape
    size = width // heads
    times = heads // (k.shape[1] // size)
    q = q.reshape(n, heads, size)
    k, v = (x.reshape(n, -1, size).repeat_interleave(times, 1) for x in (k, v))
    weight = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(size)
    weight = weight.masked_fill(torch.ones(n, n).triu(1).bool(), -math.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weight, v).reshape(n, width)


def along(bench: NodeBench, tap: str, step: Tensor, held: Mapping[str, Tensor]) -> float:
    """The slope of the readout as `step` is added to a tensor, with others held: a central difference of passes."""
    model = bench.rows.model
    taps = [model.taps[n] for n in model.taps if n == tap or n in held]
    found = []
    for t, c in STENCIL:

        def change(name: str, value: Tensor, _: Any, t: float = t) -> Tensor:
            if name == tap:
                value = value + t * STEPS[0] * step
            return held.get(name, value)

        score = bench.rows.run(bench.rows.question.start, range(1), taps, change=change).score
        assert score is not None
        found.append(c * float(score[0]))
    return sum(found) / STEPS[0]


def brute(asked: Asked, nodes: tuple[Site, ...], layers: bool) -> np.ndarray:
    """[nodes] AtP* of one row."""
    bench = NodeBench(asked.model, asked.data, asked.question, nodes)
    chunk = NodeChunk(bench, range(1))
    tower = asked.model.sites.readout_tower
    writes = [[f"layer[{i}].{x}" for x in ("attn.out", "mlp.out")] for i in range(tower.layers)]
    every_tensor = [n for w in writes for n in w]
    every_tensor += [f"layer[{i}].{x}" for i in range(tower.layers) for x in "qkvz"]
    chunk.keep(every_tensor)
    start = {n: chunk.start.nodes[n].detach() for n in {*every_tensor, *(i.tensor for i in bench.infos)}}
    end = chunk.end.nodes
    made = []
    for node, info in zip(bench.sites, bench.infos, strict=True):
        places = {ALL: slice(None), LAST: slice(-1, None), FIRST: slice(0, 1), LATER: slice(2, 3)}[node.position]
        own = slice(info.start, info.stop)
        tap, step = info.tensor, torch.zeros_like(start[info.tensor])
        step[places, own] = (end[info.tensor] - start[info.tensor])[places, own]
        which = tap[-1]
        if tap.endswith((".q", ".k")):
            lead = tap[:-1]
            parts = {x: start[f"{lead}{x}"] for x in "qkv"}
            plain = attended(**parts, heads=tower.heads)
            torch.testing.assert_close(plain, start[f"{lead}z"], rtol=0, atol=1e-10)  # by hand as by the model
            tap, step = f"{lead}z", attended(**{**parts, which: parts[which] + step}, heads=tower.heads) - plain
        one = [along(bench, tap, step, {n: start[n] for n in layer}) for layer in writes] if layers else []
        # What is written by the layer that is held is held itself.
        one = [0.0 if info.layer == i else s for i, s in enumerate(one)] or [along(bench, tap, step, {})]
        size = sum(map(abs, one)) / max(1, len(one) - 1)
        made.append(-size if sum(one) < 0 else size)
    return np.array(made)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("gpt2", True),
        ("llama", False),
        pytest.param("gpt2", False, marks=pytest.mark.slow),
        pytest.param("llama", True, marks=pytest.mark.slow),
    ],
)
def test_scores_by_brute_force(
    name: str, layers: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "_FEWEST", 2 if layers else 99)
    with doubled():
        asked = asked_of(name, tmp_path_factory)
        nodes = tuple(n for n in every(asked.model) if not n.address.local.endswith(("embed", "resid", "resid_mid")))
        nodes = tuple(n for n in nodes if not n.address.local.endswith(".in"))
        nodes += tuple(Site(n.address, p) for n in nodes if n.address.local[-2:] in (".q", ".k") for p in (LAST, LATER))
        found = node_scores(asked.model, asked.data, asked.question, "atp_star", over=nodes).table[0]
        wanted = brute(asked, nodes, layers)
    size = np.abs(wanted).max()
    assert size > 1e-3
    np.testing.assert_allclose(found, wanted, rtol=0, atol=BOUND * max(size, 1))
    plain = node_scores(asked.model, asked.data, asked.question, "atp", over=nodes).table[0]
    assert np.abs(plain - found).max() > 1e-3 * size  # it is another number


def test_few_layers_are_not_held(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of("gpt2", tmp_path_factory)
    plain, star = (node_scores(asked.model, asked.data, asked.question, m).table for m in ("atp", "atp_star"))
    assert np.abs(star - plain).max() > 1e-3 * np.abs(plain).max()
    monkeypatch.setattr(method, "_FEWEST", len(asked.model.stacks[0].blocks) + 1)
    alone = node_scores(asked.model, asked.data, asked.question, "atp_star").table
    np.testing.assert_allclose(alone, plain, rtol=0, atol=1e-9 * np.abs(plain).max())  # no queries, no keys


def test_queries_share_a_pass_and_positions_of_keys_do_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    asked = asked_of("gpt2", tmp_path_factory)
    tower = asked.model.sites.readout_tower
    queries = tuple(
        site(f"layer[{i}].head[{j}].q", p)
        for i in range(tower.layers) for j in range(tower.heads) for p in (LAST, FIRST, LATER)
    )  # fmt: skip
    keys = tuple(site(f"layer[{i}].head[0].k", p) for i in range(tower.layers) for p in (LAST, FIRST, LATER))
    found = [node_scores(asked.model, asked.data, asked.question, "atp_star", over=n) for n in (queries, keys)]
    layers = tower.layers  # one backward pass for each
    assert found[0].passes == 3 + 1 + layers  # one more for all queries
    assert found[1].passes == 3 + 3 + layers  # and one for each position of keys
