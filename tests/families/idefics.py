"""Idefics3 and SmolVLM: a picture in tiles, then whole; patches merged two by two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from tests.families import Facts, family
from tests.families.parts import MARKS, PAD, save, tokenizer
from tests.families.vision_parts import BOXES, SIDE, Box, chat, clip_tower, grid, llama, llama_tower, save_parts, tower

TILES = tuple(f"<row_{i}_col_{j}>" for i in (1, 2) for j in (1, 2))
EXTRA = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *TILES)
IMAGE = len(MARKS)
TOWERS = (
    clip_tower("vision", "model.vision_model.encoder.layers", 24, 3, final_norm="model.vision_model.post_layernorm"),
    llama_tower("model.text_model.layers", "model.text_model.norm"),
)
FACTS = Facts(
    TOWERS,
    image_tokens=20,
    image_order="the tiles row by row, the whole picture last; in each, squares of 2x2 patches row by row",
    vision_layer=3,
)
NOTES = (
    "image_tokens are those of two by two tiles; marker tokens stand between the tiles and are no image tokens; the "
    "picture is stretched to whole tiles; tiles are the vision tower's batch, and all-zero tiles are dropped before it"
)
SIDES = {"size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}}


def _config() -> dict[str, Any]:
    vision = tower(hidden_size=24, num_attention_heads=3)
    return {
        "text_config": llama(),
        "vision_config": vision,
        "scale_factor": 2,
        "image_token_id": IMAGE,
        "pad_token_id": PAD,
    }


@family("idefics3", kind="vision-language", facts=FACTS, notes=NOTES)
def idefics3(folder: Path) -> None:
    words = tokenizer("<bos> $A", extra=EXTRA)
    images = Idefics3ImageProcessorPil(**SIDES)
    processor = Idefics3Processor(images, words, image_seq_len=4, chat_template=chat("<image>"))
    save(folder, Idefics3ForConditionalGeneration(Idefics3Config(**_config())), processor)


@family(
    "smolvlm",
    kind="vision-language",
    facts=FACTS,
    notes=f"{NOTES}; its processor needs the package num2words, for videos only",
)
def smolvlm(folder: Path) -> None:
    words = tokenizer("<bos> $A", extra=EXTRA)
    images = SmolVLMImageProcessorPil(**SIDES)
    model = SmolVLMForConditionalGeneration(SmolVLMConfig(**_config()))
    video = {"video_processor_type": "SmolVLMVideoProcessor", **SIDES}
    save_parts(folder, model, "SmolVLMProcessor", images, words, "<image>", video, image_seq_len=4)


def _boxes(width: int, height: int) -> list[Box | None]:
    tiles = [box for box in grid(2, 2, (0, 0, width, height)) if box]
    return [token for tile in [*tiles, (0.0, 0.0, float(width), float(height))] for token in grid(2, 2, tile)]


BOXES |= {"idefics3": _boxes, "smolvlm": _boxes}
