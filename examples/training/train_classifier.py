"""Train the classifier: a ViT that tells women from men in the scenes. About ten seconds on one core.

Usage::

    python examples/training/train_classifier.py --out examples/models/classifier

Gender and background are tied as in the captioner's second course: 90% of the kitchens show a woman and 90% of the
offices a man. So part of its answer is the room.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from lab import EXAMPLES, start
from scenes import GENDERS, SIZE, Rng, draw_backgrounds, draw_figures, draw_shots, render
from torch import Tensor
from torch.nn.functional import cross_entropy
from train_captioner import TIE, image_processor
from transformers import ViTConfig, ViTForImageClassification

WIDTH, HEADS, LAYERS, PATCH = 32, 4, 2, 8
SCENES, BATCH, STEPS, RATE = 8192, 128, 200, 3e-3


def make_model() -> ViTForImageClassification:
    """The untrained classifier: two layers, width 32, four heads, 16 patches and CLS."""
    config = ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=2 * WIDTH,
        image_size=SIZE, patch_size=PATCH, initializer_range=0.06, id2label=dict(enumerate(GENDERS)),
        problem_type="single_label_classification",
    )  # fmt: skip
    return ViTForImageClassification(config)


def scenes(rng: Rng) -> tuple[Tensor, Tensor]:
    """Pixels [n, 3, 32, 32] and genders [n] of tied scenes."""
    gender = rng.integers(0, 2, SCENES)
    kinds = draw_backgrounds(rng, gender, TIE)
    pictures = render(draw_shots(rng, draw_figures(rng, gender)), kinds)
    return image_processor()(list(pictures), return_tensors="pt")["pixel_values"], torch.tensor(gender)


def train(model: ViTForImageClassification, pixels: Tensor, gender: Tensor) -> None:
    """Train in place."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        pick = torch.randint(SCENES, (BATCH,))
        loss = cross_entropy(model(pixel_values=pixels[pick]).logits, gender[pick])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}/{STEPS}  loss {loss.item():.3f}  {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Draw, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "models" / "classifier")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = start(options.seed)
    model = make_model()
    train(model, *scenes(rng))
    model.eval()
    model.save_pretrained(options.out)
    image_processor().save_pretrained(options.out)
    weights = options.out / "model.safetensors"
    weights.chmod(0o644)  # save_pretrained writes mode 0600
    print(f"saved {options.out.name}: {weights.stat().st_size / 1e6:.2f} MB of weights")


if __name__ == "__main__":
    main()
