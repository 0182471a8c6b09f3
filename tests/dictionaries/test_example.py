"""The shipped example: trained features of the shipped model, end to end, and the same through Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import causalcircuit as cq
from causalcircuit.runs import check_text, run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = """
model gpt2 = hf("./models/ioi")
model s    = sae("./models/ioi_sae.safetensors", at = gpt2.layer[0].resid)
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean sample 24 seed 2
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
estimate E[LD | do(s.feature[27] @ last = 0)] - E[LD], E[LD | do(s.error @ all = 0)] - E[LD] on ioi
"""


@pytest.fixture(scope="module")
def truth() -> dict[str, list[float]]:
    """Effects of removing feature 27 at the end, and all errors, by hooks of our own, of each row."""
    folder = EXAMPLES / "models" / "ioi"
    hf = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    w = load_file(EXAMPLES / "models" / "ioi_sae.safetensors")

    def features(x: Tensor) -> Tensor:
        pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        least = pre.sort(-1, descending=True).values[..., 7:8]
        return torch.where((pre >= least) & (pre > 0), pre, torch.zeros_like(pre))

    def nothing(x: Tensor) -> Tensor:
        return x

    def removed(x: Tensor) -> Tensor:
        out = x.clone()
        out[:, -1] -= features(x)[:, -1, 27:28] * w["W_dec"][27]
        return out

    def said(x: Tensor) -> Tensor:
        return features(x) @ w["W_dec"] + w["b_dec"]

    found: dict[str, list[float]] = {"feature": [], "error": []}
    for line in (EXAMPLES / "data" / "ioi.jsonl").read_text().splitlines():
        row = json.loads(line)
        ids = words(row["clean"], return_tensors="pt")["input_ids"]
        io, subj = (words(row[c])["input_ids"][0] for c in ("io", "subj"))
        values = []
        for change in (nothing, removed, said):
            handle = hf.transformer.h[0].register_forward_hook(lambda _m, _a, y, c=change: c(y))
            with torch.no_grad():
                logits = hf(ids).logits[0, -1]
            handle.remove()
            values.append(float(logits[io] - logits[subj]))
        found["feature"].append(values[1] - values[0])
        found["error"].append(values[2] - values[0])
    return found


def test_effects_are_those_of_hooks(truth: dict[str, list[float]]) -> None:
    result = run_program(check_text(TEXT, folder=EXAMPLES))
    rows = result.tables["ioi"].rows
    for name, found in zip(("feature", "error"), result.estimates, strict=True):
        assert found.value == pytest.approx(float(np.mean([truth[name][int(i)] for i in rows])), abs=2e-4)
    (note,) = (d for d in result.diagnostics if d.code == "CQ556")
    assert note.severity == "note"


def test_python_asks_the_same(truth: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    gpt2 = cq.model("./models/ioi", name="gpt2")
    s = cq.sae("./models/ioi_sae.safetensors", at=gpt2.layer[0].resid)
    ioi = cq.data("./data/ioi.jsonl", prompt=cq.row.clean)
    difference = gpt2.logit[cq.row.io] @ cq.last - gpt2.logit[cq.row.subj] @ cq.last
    effect = cq.E(difference | cq.do({s.feature[27] @ cq.last: 0})) - cq.E(difference)
    result = cq.estimate(effect, on=ioi)
    assert result.estimates[0].value == pytest.approx(float(np.mean(truth["feature"])), abs=2e-4)
    assert "do(s.feature[27] @ last = 0)" in result.estimates[0].estimand


def test_the_example_runs_from_the_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "causalcircuit", "run", str(EXAMPLES / "features.cq"), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    values = {e["name"]: e["value"] for e in said["estimates"]}
    assert len(values) == 2
    assert values["without(s.feature[27] @ last)"] > 0.1
