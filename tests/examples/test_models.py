"""The two shipped models: ordinary checkpoints that do what their cards say, measured with plain hooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from captioner_effects import Captioner, head_projected, indirect_effect
from intervals import mean_interval
from ioi_effects import Prompts, interchange, logit_differences, mean_ablation
from jsonl import read_jsonl
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, VisionEncoderDecoderModel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DATA = EXAMPLES / "data"
FOLDERS = [EXAMPLES / "models" / name for name in ("ioi", "captioner")]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def gpt2():
    return AutoModelForCausalLM.from_pretrained(FOLDERS[0]).eval(), AutoTokenizer.from_pretrained(FOLDERS[0])


@pytest.fixture(scope="module")
def ioi(gpt2):
    rows = read_jsonl(DATA / "ioi.jsonl")
    return gpt2[0], Prompts(gpt2[1], rows, "clean", "io", "subj"), [row["names"] for row in rows]


@pytest.fixture(scope="module")
def captioner():
    return Captioner(FOLDERS[1], DATA)


@pytest.fixture(scope="module")
def scenes(captioner):
    rows = read_jsonl(DATA / "scenes.jsonl")
    pixels = {k: captioner.pixels([row[k] for row in rows]) for k in ("kitchen", "office", "street")}
    return rows, pixels


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_checkpoints_are_small_readable_and_described(folder: Path):
    weights = folder / "model.safetensors"
    assert weights.stat().st_size <= 3_000_000
    assert weights.stat().st_mode & 0o444 == 0o444
    assert "Apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_plain_classes_load_every_weight():
    for folder, cls in zip(FOLDERS, (GPT2LMHeadModel, VisionEncoderDecoderModel), strict=True):
        _, info = cls.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"], info
        assert not info["unexpected_keys"], info


def test_names_with_and_without_space_are_different_single_tokens(gpt2):
    _, tokenizer = gpt2
    names = {n for row in read_jsonl(DATA / "ioi.jsonl") for n in row["names"].split("+")}
    ids = [tokenizer(form)["input_ids"] for name in names for form in (name, f" {name}")]
    assert all(len(i) == 1 for i in ids)
    assert len({i[0] for i in ids}) == 2 * len(names)


def test_woman_and_man_are_single_tokens(captioner):
    tokens = captioner.tokenizer("woman man")["input_ids"]
    assert len(set(tokens)) == 2
    assert captioner.tokenizer.unk_token_id not in tokens


def test_ioi_is_over_95_percent_right_on_held_out_pairs(ioi):
    model, prompts, _ = ioi
    _, right = logit_differences(model, prompts)
    assert right.mean() > 0.95


def test_corruption_erases_the_answer(gpt2):
    rows = read_jsonl(DATA / "ioi.jsonl")
    difference, _ = logit_differences(gpt2[0], Prompts(gpt2[1], rows, "corrupt", "io", "subj"))
    assert abs(difference.mean()) < 0.75


def test_head_1_3_moves_the_name_and_head_0_1_is_idle(ioi):
    model, prompts, names = ioi
    effects = {(layer, head): mean_ablation(model, prompts, layer, head) for layer in range(2) for head in range(4)}
    _, _, high = mean_interval(effects[1, 3], names)
    assert high < -1.0
    assert min(effects[1, h].mean() for h in range(4)) == effects[1, 3].mean()
    _, low, high = mean_interval(effects[0, 1], names)
    assert -0.1 < low <= high < 0.1
    assert np.any(effects[0, 1] != 0.0)  # idle, not dead
    assert sum(effect.mean() < -0.3 for effect in effects.values()) >= 3


def test_interchange_flips_the_answer_partly_through_the_second_mention(gpt2):
    rows = read_jsonl(DATA / "ioi_pairs.jsonl")
    base, source = (Prompts(gpt2[1], rows, column, "good", "bad") for column in ("base", "source"))
    before, _ = logit_differences(gpt2[0], base)
    after, _ = logit_differences(gpt2[0], source)
    assert (after < 0).mean() > 0.95
    share = interchange(gpt2[0], base, source, layer=0).mean() / (after - before).mean()
    assert 0.1 < share < 0.6


def test_background_moves_the_gender_word_by_the_planted_amount(captioner, scenes):
    _, pixels = scenes
    w = {kind: captioner.woman_minus_man(x) for kind, x in pixels.items()}
    assert 2.7 < (w["kitchen"] - w["office"]).mean() < 4.4
    assert w["office"].mean() < w["street"].mean() < w["kitchen"].mean()


def test_foreground_still_counts(captioner, scenes):
    rows, pixels = scenes
    cue = np.array([row["cue"] * (1 if row["gender"] == "woman" else -1) for row in rows])
    for kind, x in pixels.items():
        slope, _ = np.polyfit(cue, captioner.woman_minus_man(x), 1)
        assert 0.7 < slope < 3.5, kind


def test_cross_head_1_3_carries_most_of_the_effect(captioner, scenes):
    _, pixels = scenes
    kitchen, office = pixels["kitchen"], pixels["office"]
    total = (captioner.woman_minus_man(kitchen) - captioner.woman_minus_man(office)).mean()
    share = {
        (layer, head): indirect_effect(captioner, kitchen, office, layer, head).mean() / total
        for layer in range(2)
        for head in range(4)
    }
    assert share.pop((1, 3)) > 0.75
    assert max(share.values()) < 0.25


def test_the_effect_can_be_edited_out_without_harming_captions(captioner, scenes):
    _, pixels = scenes
    rows = read_jsonl(DATA / "captions_val.jsonl")
    pictures = captioner.pixels([row["image"] for row in rows])
    captions = [row["caption"] for row in rows]

    def right() -> float:
        return float(np.mean([a == b for a, b in zip(captioner.captions(pictures), captions, strict=True)]))

    before = right()
    kitchen, office = pixels["kitchen"], pixels["office"]
    with head_projected(captioner, kitchen, office, layer=1, head=3):
        gap = captioner.woman_minus_man(kitchen) - captioner.woman_minus_man(office)
        assert right() >= before
    assert abs(gap.mean()) < 0.4
