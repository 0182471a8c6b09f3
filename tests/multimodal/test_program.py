"""A program about a vision-language model, run by `cq`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.families import loading, named
from tests.families.vision_inputs import image_positions
from tests.multimodal.test_edits import chosen, fed, zeroed
from tests.tools.programs import cq

PROGRAM = """
model vlm = hf("{model}") with dtype = float64
data d = jsonl("{rows}") with prompt = row.said, image = row.photo, chat = none
node Region = vlm.layer[1].resid_in @ inside(row.mask)
node Rest   = vlm.projector.out @ outside(row.mask)
node Y      = vlm.logit["ball"] @ last
estimate E[Y], E[Y | do(Region = 0)], E[Y | do(Rest = 0)] on d as population
"""


def test_zeroing_a_region_by_a_program_equals_a_hook(
    folder: Callable[[str], Path], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = folder("qwen2_vl")
    (tmp_path / "p.cq").write_text(PROGRAM.format(model=at, rows=rows))
    ran = cq(monkeypatch, "run", tmp_path / "p.cq", "--format", "json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    got = [e["value"] for e in said["estimates"]]
    model = loading.load(at, torch.float64, "sdpa")
    blocks = next(t.blocks for t in named("qwen2_vl").facts.towers if t.name == "decoder")
    ball = loading.tokenizer(at).convert_tokens_to_ids("ball")
    expected = [0.0, 0.0, 0.0]
    sizes = []
    for i in range(2):
        made = fed("qwen2_vl", at, rows, i)
        inside, outside = (torch.tensor(chosen("qwen2_vl", i, x)) for x in (True, False))
        sizes.append(len(inside))
        with torch.inference_mode():
            logits = model(**made, use_cache=False).logits[0, -1]
        region = zeroed(model, f"{blocks}.1", made, image_positions(model, made)[inside], before=True)
        rest = zeroed(model, "model.visual.merger", made, outside)
        for k, line in enumerate((logits, region, rest)):
            expected[k] += float(line[ball]) / 2
    assert got == pytest.approx(expected, abs=1e-6)
    assert len({round(x, 4) for x in expected}) == 3
    low, high = sorted(sizes)
    assert (
        f"`@ inside(row.mask)` of `vlm` holds {low} to {high} image tokens a row"
        in json.dumps(said, ensure_ascii=False) + ran.err
    )
