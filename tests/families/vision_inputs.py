"""Inputs of the families with pictures or sounds, made by each family's own processor."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from tests.families import Family, loading
from tests.families.vision_parts import load_processor

CAPTION = "a man gave the red ball to"
PLACES = {
    "qwen2_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "qwen3_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "gemma3": "<start_of_image>",
    "internvl": "<IMG_CONTEXT>",
}
"""What stands in a prompt for a picture, where it is not `<image>`."""


@cache
def processor(folder: Path) -> Any:
    """What turns texts and pictures into the inputs of the folder's model."""
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] == "smolvlm" and transformers.models.smolvlm.processing_smolvlm.num2words is None:
        # SmolVLM's own processor needs num2words even for pictures; Idefics3's writes the same tokens for them.
        images = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        words = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return transformers.Idefics3Processor(images, words, image_seq_len=4)
    return load_processor(folder)


def sound(seconds: float = 0.7) -> np.ndarray:
    """Noise at 16 kHz, of shape [samples]."""
    return np.random.default_rng(3).normal(size=int(16000 * seconds)).astype(np.float32)


def prompt(family: Family, pictures: int) -> str:
    """A text with that many pictures in it."""
    place = PLACES.get(family.name, "<image>")
    return f"{place} Mary saw" if pictures == 1 else "Mary " + " and ".join([place] * pictures) + " John saw"


def seen(family: Family, folder: Path, pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
    """What the model's forward takes of these pictures, with a text where it takes one.

    The pictures of a vision-language model stand in one text; elsewhere each is a row.
    """
    tool, many = processor(folder), len(pictures)
    if family.kind == "vision-language":
        text = prompt(family, many)
        with warnings.catch_warnings():  # PaliGemma's processor makes an array of a tensor in a way that numpy warns of
            warnings.simplefilter("ignore", DeprecationWarning)
            batch = dict(tool(images=[list(pictures)], text=[text], return_tensors="pt"))
        batch.pop("labels", None)
        return batch
    if family.kind == "two-tower":
        padding = "max_length" if family.name == "siglip" else True
        texts = [CAPTION, "the king"]
        return dict(tool(images=list(pictures), text=texts, padding=padding, return_tensors="pt"))
    if family.name == "vision_encoder_decoder":
        images = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        ids = tool([CAPTION] * many, return_tensors="pt")["input_ids"]
        return {**images(list(pictures), return_tensors="pt"), "decoder_input_ids": ids}
    if family.kind == "captioner":
        # Pix2Struct's processor asks for 2048 patches, whatever its image processor was saved with.
        patches = {"max_patches": tool.image_processor.max_patches} if family.name == "pix2struct" else {}
        return dict(tool(images=list(pictures), text=[CAPTION] * many, return_tensors="pt", **patches))
    return dict(tool(images=list(pictures), return_tensors="pt"))


def heard(folder: Path) -> dict[str, torch.Tensor]:
    """What the model's forward takes of `sound`."""
    tool = processor(folder)
    batch = dict(tool(audio=sound(), sampling_rate=16000, return_tensors="pt"))
    return {**batch, "decoder_input_ids": tool.tokenizer(CAPTION, return_tensors="pt")["input_ids"]}


def cast(batch: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The batch with its pixels and sounds in `dtype`."""
    return {name: x.to(dtype) if x.is_floating_point() else x for name, x in batch.items()}


def image_positions(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Positions of the image tokens in the one row of the batch, of shape [tokens]."""
    token = getattr(model.config, "image_token_id", None) or model.config.image_token_index
    return (batch["input_ids"][0] == token).nonzero()[:, 0]


def scores(output: Any) -> torch.Tensor:
    """The tensor that a model is asked for: logits, similarities, or the last hidden state."""
    for name in ("logits", "logits_per_image", "last_hidden_state"):
        if getattr(output, name, None) is not None:
            return getattr(output, name)
    raise AssertionError(f"{type(output).__name__} has no scores")


def loaded(family: Family, folder: Path, dtype: torch.dtype = torch.float64, attention: str = "") -> Any:
    """The family's model, the same object at each call; eager unless told."""
    return loading.load(folder, dtype, attention or family.attentions[-1])
