"""Contenders of the benchmark agree on tiny models in every workload; nothing is timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.interventions import floor, table
from benchmarks.interventions.contenders import CONTENDERS
from benchmarks.interventions.contenders.naive import Naive
from benchmarks.interventions.task import Task, task
from benchmarks.interventions.timing import TOLERANCE, agree, measure
from benchmarks.interventions.workloads import WORKLOADS, Target, Workload

TINY = {"gpt2": "tiny_gpt2", "small": "tiny_gpt2", "llama": "tiny_llama", "opt": "tiny_opt", "vit": "tiny_vit"}


def tiny(name: str) -> Workload:
    workload = WORKLOADS[name]
    differ = None if workload.differ is None else 3
    count = None if workload.count is None else 5
    return replace(workload, shape=TINY[workload.shape], rows=min(workload.rows, 3), differ=differ, count=count)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", WORKLOADS)
def test_all_agree(name: str, root: Path) -> None:
    found = measure(task(tiny(name), root), ["naive", "causal", "prototype"], rounds=1)
    assert found.unable == {}
    assert found.gap <= TOLERANCE
    assert found.parts[0]["engine"] > 0
    assert len(found.seconds["causal"]) == 1
    names = ["naive", "causal"]
    assert table.line(found, names).count("|") == table.head(names).splitlines()[0].count("|")


def test_naive_is_right(root: Path) -> None:
    """Against the definition: the block's attention written out with the head's part exchanged."""
    asked = task(tiny("exact"), root)
    own = Naive(asked)
    target = Target(1, 1)
    model, block = own.model, own.model.transformer.h[1]
    with torch.inference_mode():
        value = own.values(asked.source)[1]
        kept: list[torch.Tensor] = []
        handles = [
            block.register_forward_pre_hook(lambda _, given: kept.append(given[0])),
            block.attn.c_proj.register_forward_pre_hook(lambda _, given: kept.append(given[0])),
        ]
        model(input_ids=asked.base)
        for handle in handles:
            handle.remove()
        stream, z = kept
        mixed = torch.cat([z[..., :8], value[..., 8:]], -1)
        mid = stream + mixed @ block.attn.c_proj.weight + block.attn.c_proj.bias
        after = mid + block.mlp(block.ln_2(mid))
        logits = model.lm_head(model.transformer.ln_f(after))[:, -1]
        torch.testing.assert_close(own.world(target, value), logits, atol=1e-5, rtol=0)


def test_disagreement_is_told() -> None:
    outcomes = np.zeros((2, 3))
    assert agree({"a": outcomes, "b": outcomes + 5e-5}) == pytest.approx(5e-5)
    with pytest.raises(AssertionError, match="b and a differ"):
        agree({"a": outcomes, "b": outcomes + 2e-4})
    with pytest.raises(AssertionError, match="outcomes"):
        agree({"a": outcomes, "b": outcomes[:1]})


@pytest.mark.parametrize("name", ["lens", "nnsight", "pyvene"])
def test_a_missing_peer_says_so(name: str, root: Path) -> None:
    found = measure(task(tiny("single"), root), ["naive", name], rounds=1)
    if name in found.unable:
        assert "not installed" in found.unable[name]
        assert "–" in table.line(found, ["naive", name])
    else:
        assert found.gap <= TOLERANCE


def test_targets() -> None:
    assert len(WORKLOADS["exact"].targets()) == 144
    assert len(WORKLOADS["exact"].targets(quick=True)) == 12
    assert len(set(WORKLOADS["small"].targets())) == 100
    assert [name for name, c in CONTENDERS.items() if c.peer] == ["lens", "nnsight", "pyvene"]


def test_floor() -> None:
    """Two blocks of GPT-2 counted by hand: d 16, mlp 64, 6 positions, no attention's scores in the last position."""
    workload = replace(WORKLOADS["exact"], shape="tiny_gpt2", rows=1)
    asked = Task(workload, Path(), Path(), *[torch.zeros(0)] * 4, [Target(1, 0)])
    d, mlp, t, v = 16, 64, 6, 5000
    block = 2 * 4 * d * d + 2 * 2 * d * mlp + 4 * d * t
    assert floor.naive(asked) == 3 * t * (2 * block + 2 * d * v)
    assert floor.least(asked) == 2 * t * 2 * block + 2 * 8 * d + 2 * 2 * d * mlp + 2 * d * v
