"""The shipped classifier: an ordinary checkpoint, whose numbers are those of transformers alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jsonl import read_jsonl
from PIL import Image
from transformers import AutoImageProcessor, ViTForImageClassification

from causalcircuit.runs import check_text, run_program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDER = EXAMPLES / "models" / "classifier"
TEXT = """
model who = hf("./models/classifier")
data scenes = jsonl("./data/scenes.jsonl") cluster row.figure where row.cue > 0.5
let kitchen = do(who.image = row.kitchen)
let office = do(who.image = row.office)
estimate E[who.class["woman"] | kitchen] - E[who.class["woman"] | office] on scenes
estimate E[kl((who.logits | kitchen), (who.logits | office))] on scenes
"""


def test_the_checkpoint_is_small_readable_and_described() -> None:
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 200_000
    assert weights.stat().st_mode & 0o444 == 0o444
    assert "Apache-2.0" in (FOLDER / "README.md").read_text(encoding="utf-8")


@torch.no_grad()
def test_background_moves_it_as_it_does_alone() -> None:
    model, images = ViTForImageClassification.from_pretrained(FOLDER).eval(), AutoImageProcessor.from_pretrained(FOLDER)
    rows = [r for r in read_jsonl(EXAMPLES / "data" / "scenes.jsonl") if r["cue"] > 0.5]
    logs = []
    for column in ("kitchen", "office"):
        pictures = [Image.open(EXAMPLES / "data" / r[column]) for r in rows]
        logits = model(**images(pictures, return_tensors="pt")).logits
        logs.append(logits.double().log_softmax(-1))
    effect = float((logs[0].exp() - logs[1].exp())[:, 1].mean())
    divergence = float((logs[0].exp() * (logs[0] - logs[1])).sum(-1).mean())
    found = run_program(check_text(TEXT, "t.cq", EXAMPLES)).estimates
    assert [e.value for e in found] == pytest.approx([effect, divergence], abs=1e-5)
    assert 0.5 < effect < 0.75
