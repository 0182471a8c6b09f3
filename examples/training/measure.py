"""Print the numbers of the model cards, measured with plain PyTorch hooks.

Usage::

    python examples/training/measure.py ioi
    python examples/training/measure.py captioner
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from captioner_effects import Captioner, EncoderProjected, head_projected, indirect_effect
from intervals import mean_interval, ratio_interval
from ioi_effects import Prompts, copied, gaze, interchange, logit_differences, mean_ablation
from jsonl import read_jsonl
from lab import EXAMPLES, start
from transformers import AutoTokenizer, GPT2LMHeadModel

Line = tuple[str, tuple[float, float, float]]


def show(title: str, lines: Iterable[Line]) -> None:
    """Print a Markdown table of values with their 95% intervals."""
    print(f"\n| {title} | value | 95% interval |\n|---|---|---|")
    for name, (value, low, high) in lines:
        print(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")


def measure_ioi(model_folder: Path, data: Path) -> None:
    """Accuracy, each head's mean ablation at the last position, the interchange, and the mover's gaze."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = GPT2LMHeadModel.from_pretrained(model_folder).eval()
    rows = read_jsonl(data / "ioi.jsonl")
    names = [row["names"] for row in rows]
    clean, corrupt = (Prompts(tokenizer, rows, column, "io", "subj") for column in ("clean", "corrupt"))
    difference, right = logit_differences(model, clean)
    lines = [
        ("right (io above subject and on top)", mean_interval(right, names)),
        ("LD, clean", mean_interval(difference, names)),
        ("LD, corrupt", mean_interval(logit_differences(model, corrupt)[0], names)),
    ]
    for layer in range(2):
        for head in range(4):
            effect = mean_ablation(model, clean, layer, head)
            lines.append((f"mean ablation of head {layer}.{head} at last", mean_interval(effect, names)))
    for head in range(4):
        hits = copied(model, tokenizer, clean, head)
        lines.append((f"io is the name that head 1.{head} writes most", mean_interval(hits, names)))
    show(f"ioi.jsonl, {len(rows)} rows, {len(set(names))} clusters", lines)

    pairs = read_jsonl(data / "ioi_pairs.jsonl")
    names = [row["names"] for row in pairs]
    base, source = (Prompts(tokenizer, pairs, column, "good", "bad") for column in ("base", "source"))
    before, right = logit_differences(model, base)
    total = logit_differences(model, source)[0] - before
    lines = [("right on base", mean_interval(right, names)), ("source - base", mean_interval(total, names))]
    via = interchange(model, base, source, layer=0)
    lines.append(("through the second mention's stream leaving layer 0", mean_interval(via, names)))
    lines.append(("its share", ratio_interval(via, total, names)))
    show(f"ioi_pairs.jsonl, {len(pairs)} rows, {len(set(names))} clusters", lines)

    model.set_attn_implementation("eager")
    print("\nAttention from the last position to all mentions of the indirect object and of the subject:")
    for head in range(4):
        on_object, on_subject = gaze(model, tokenizer, clean, head)
        print(f"head 1.{head}: {on_object:.2f} and {on_subject:.2f}")


def _slope(values: np.ndarray, signed_cue: np.ndarray, figures: Sequence[str]) -> tuple[float, float, float]:
    """Least-squares slope over the signed cue, as a ratio of two means."""
    centred = signed_cue - signed_cue.mean()
    return ratio_interval(centred * values, centred * signed_cue, figures)


def measure_captioner(model_folder: Path, data: Path) -> None:
    """The background's effects in total and by cross head, the cue's slope, captions, and two projections."""
    captioner = Captioner(model_folder, data)
    rows = read_jsonl(data / "scenes.jsonl")
    figures = [row["figure"] for row in rows]
    woman = np.array([row["gender"] == "woman" for row in rows])
    cue = np.array([row["cue"] for row in rows]) * np.where(woman, 1, -1)
    pixels = {kind: captioner.pixels([row[kind] for row in rows]) for kind in ("kitchen", "office", "street")}
    kitchen, office = pixels["kitchen"], pixels["office"]
    readout = {kind: captioner.woman_minus_man(x) for kind, x in pixels.items()}
    total = readout["kitchen"] - readout["office"]
    lines = [(f"W, {kind}", mean_interval(w, figures)) for kind, w in readout.items()]
    lines.append(("W, kitchen - office", mean_interval(total, figures)))
    for gender, who in (("woman", woman), ("man", ~woman)):
        ids = [f for f, w in zip(figures, who, strict=True) if w]
        lines.append((f"W, kitchen - office, {gender}", mean_interval(total[who], ids)))
    for layer in range(2):
        for head in range(4):
            effect = indirect_effect(captioner, kitchen, office, layer, head)
            lines.append((f"through cross head {layer}.{head}", mean_interval(effect, figures)))
    lines.append(("share of cross head 1.3", ratio_interval(effect, total, figures)))
    lines += [(f"slope over the signed cue, {k}", _slope(w, cue, figures)) for k, w in readout.items()]
    lines += [(f"gender right, {k}", mean_interval((w > 0) == woman, figures)) for k, w in readout.items()]
    show(f"scenes.jsonl, {len(rows)} rows, {len(set(figures))} clusters", lines)

    held = read_jsonl(data / "captions_val.jsonl")
    ids = [row["figure"] for row in held]
    fresh = read_jsonl(data / "scenes_fresh.jsonl")
    fresh_ids = [row["figure"] for row in fresh]
    pictures = captioner.pixels([row["image"] for row in held])
    before, after = (captioner.pixels([row[k] for row in fresh]) for k in ("kitchen", "office"))
    edits = {
        "as it is": nullcontext(),
        "head 1.3 projected": head_projected(captioner, kitchen, office, 1, 3),
        "encoder projected": EncoderProjected(captioner, kitchen, office),
    }
    lines = []
    for name, edit in edits.items():
        with edit:
            texts = captioner.captions(pictures)
            gap = captioner.woman_minus_man(before) - captioner.woman_minus_man(after)
        right = [text == row["caption"] for text, row in zip(texts, held, strict=True)]
        lines.append((f"{name}: captions right", mean_interval(right, ids)))
        lines.append((f"{name}: W, kitchen - office, fresh figures", mean_interval(gap, fresh_ids)))
    show(f"captions_val.jsonl, {len(held)} rows; scenes_fresh.jsonl, {len(fresh)} rows", lines)


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["ioi", "captioner"])
    parser.add_argument("--models", type=Path, default=EXAMPLES / "models")
    parser.add_argument("--data", type=Path, default=EXAMPLES / "data")
    options = parser.parse_args()
    start(seed=7)
    measured = {"ioi": measure_ioi, "captioner": measure_captioner}[options.model]
    measured(options.models / options.model, options.data)


if __name__ == "__main__":
    main()
