"""Tiny classifiers and two-tower models, with data, written once a session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    GPT2Config,
    GPT2ForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from tests.families.clip import clip_images
from tests.families.parts import PAD, TEXTS, VOCABULARY, save, tokenizer
from tests.families.vision_parts import marks, sizes, tower
from tests.readouts.asking import save_lines
from tests.truth import tiny

torch.set_num_threads(1)
LABELS = {0: "cat", 1: "dog", 2: "horse"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the models `vit`, `toxic`, `clip`, `gpt2` and the data `photos.jsonl`, `lines.jsonl`, `prompts.jsonl`."""
    root = tmp_path_factory.mktemp("readouts")
    _vit(root)
    _toxic(root)
    save_lines(root / "lines.jsonl", [{"text": t, "other": TEXTS[i - 1], "y": i} for i, t in enumerate(TEXTS)])
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    return root


def _vit(root: Path) -> None:
    """Images to three classes, of which the config says nothing; noise to look at."""
    (root / "vit").mkdir()
    config = ViTConfig(**tower(), id2label=LABELS)
    save(root / "vit", ViTForImageClassification(config), ViTImageProcessorPil(size={"height": 28, "width": 28}))
    rng = np.random.default_rng(3)
    rows = []
    for i in range(5):
        for kind in "ab":
            Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(root / f"{kind}{i}.png")
        rows.append({"image": f"a{i}.png", "other": f"b{i}.png", "label": LABELS[i % 3], "number": i % 3})
    save_lines(root / "photos.jsonl", rows)


def _toxic(root: Path) -> None:
    """Texts to two labels that do not exclude each other."""
    (root / "toxic").mkdir()
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=72,
        max_position_embeddings=64,
        pad_token_id=PAD,
        id2label={0: "toxic", 1: "rude"},
        problem_type="multi_label_classification",
    )
    save(root / "toxic", BertForSequenceClassification(config), tokenizer("<cls> $A <sep>", types=True))


@pytest.fixture(scope="session")
def clip(folder: Path) -> Path:
    """A two-tower model."""
    path = folder / "clip"
    path.mkdir()
    text = sizes(max_position_embeddings=32, **marks())
    config = CLIPConfig(text_config=text, vision_config=tower(), projection_dim=24)
    save(path, CLIPModel(config), CLIPProcessor(clip_images(), tokenizer("<bos> $A <eos>")))
    return path


@pytest.fixture(scope="session")
def pooled(folder: Path) -> Path:
    """A decoder whose class scores read the last token that is no padding."""
    path = folder / "pooled"
    path.mkdir()
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=64, n_embd=48, n_layer=2, n_head=4, pad_token_id=PAD, id2label=LABELS
    )
    save(path, GPT2ForSequenceClassification(config), tokenizer())
    return path
