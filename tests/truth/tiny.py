"""Small models made from configs with every parameter random, and small data, written as a user would keep them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

_TEXTS = [
    {
        "clean": "Mary and John went home, John gave a drink to",
        "other": "Anna and Tom went home, Anna gave a drink to",
        "name": "Mary",
        "stranger": "Tom",
        "twice": "John",
        "answer": " Mary",
        "dose": 0.5,
    },
    {
        "clean": "In the park Elisabeth met Tom and Tom gave the ball to",
        "other": "In the park Tom met Bartholomew and Tom gave the ball to",
        "name": "Elisabeth",
        "stranger": "Bartholomew",
        "twice": "Tom",
        "answer": " John",
        "dose": -1.25,
    },
    {
        "clean": "Then Anna and John had a long argument. John said it to",
        "other": "Then Mary and Tom had a long argument. Mary said it to",
        "name": "Anna",
        "stranger": "Tom",
        "twice": "John",
        "answer": " Anna",
        "dose": 2.0,
    },
    {
        "clean": "John saw Tom, John thanked",
        "other": "Anna saw Elisabeth, Anna thanked",
        "name": "Tom",
        "stranger": "Elisabeth",
        "twice": "John",
        "answer": " Tom",
        "dose": 0.0,
    },
]
PROMPTS = [
    {**text, "vector": np.random.default_rng(i).normal(size=24).round(2).tolist(), "share": [1.0, 0.5, 2.0, 0.25][i]}
    for i, text in enumerate(_TEXTS)
]
"""Prompts of 11 to 31 tokens. `name` stands in `clean`, `stranger` in `other`, both of one or several tokens.

`vector` is as wide as the stream, `share` a weight.
"""

SIDE, PATCH = 16, 4


def shake(model: nn.Module, seed: int) -> None:
    """Give every parameter, biases and norms included, a value of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            norm = "ln_" in name or "layernorm" in name
            draws = torch.randn(p.shape, generator=generator)
            p.copy_(1 + 0.3 * draws if norm and name.endswith("weight") else 0.3 * draws)


def tokenizer(padding_side: str = "right") -> PreTrainedTokenizerFast:
    """A byte-level BPE of the prompts: `"Mary"` and `" Mary"` differ, rare names fall into several tokens."""
    bpe = ByteLevelBPETokenizer(add_prefix_space=False)
    texts = [p["clean"] for p in PROMPTS] + [" Mary John Anna Tom a drink to Mary John Anna Tom"] * 4
    bpe.train_from_iterator(texts, vocab_size=320, min_frequency=2, special_tokens=["<end>"], show_progress=False)
    marks = dict.fromkeys(("bos_token", "eos_token", "pad_token"), "<end>")
    return PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, padding_side=padding_side, **marks)


def text_config(words: int) -> GPT2Config:
    """2 layers, 3 heads of 8, an MLP of 40."""
    sizes = {"n_positions": 48, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_inner": 40}
    return GPT2Config(vocab_size=words, **sizes, bos_token_id=0, eos_token_id=0)


def write_gpt2(folder: Path, padding_side: str = "right", seed: int = 0) -> Path:
    """Save a GPT-2 with its tokenizer."""
    words = tokenizer(padding_side)
    model = GPT2LMHeadModel(text_config(len(words)))
    shake(model, seed)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def write_captioner(folder: Path, padding_side: str = "right", seed: int = 0) -> Path:
    """Save a ViT of 2 layers (2 heads of 10, an MLP of 28, 4×4 patches) with a GPT-2 decoder of other widths."""
    words = tokenizer(padding_side)
    sizes = {"hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 28}
    encoder = ViTConfig(**sizes, image_size=SIDE, patch_size=PATCH)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, text_config(len(words)))
    config.decoder_start_token_id = config.pad_token_id = 0
    model = VisionEncoderDecoderModel(config)
    shake(model, seed)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def write_lines(path: Path, rows: list[dict]) -> Path:
    """Save rows as JSONL."""
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def write_scenes(path: Path, n: int = 3) -> Path:
    """Save n rows of two noise pictures, a mask that follows no patch border, a prefix and an answer."""
    rng = np.random.default_rng(5)
    lines = []
    for i in range(n):
        names = {"kitchen": f"kitchen{i}.png", "office": f"office{i}.png", "mask": f"mask{i}.png"}
        for column in ("kitchen", "office"):
            Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path.parent / names[column])
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[3 : 11 + i, 2 + i : 14] = 255
        Image.fromarray(mask).save(path.parent / names["mask"])
        prefix, name = (
            ("a drink to Elisabeth", "Elisabeth"),
            ("Bartholomew gave a", "Bartholomew"),
            ("Mary", "Mary"),
        )[i % 3]
        lines.append({**names, "start": prefix, "begin": "Tom and John", "name": name, "answer": " John"})
    return write_lines(path, lines)
