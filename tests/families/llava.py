"""LLaVA and LLaVA-NeXT: CLIP's patches in Llama's stream; the latter sees a picture whole and in tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
)

from tests.families import Facts, family
from tests.families.clip import clip_images
from tests.families.parts import MARKS, save, tokenizer
from tests.families.vision_parts import (
    BOXES,
    PATCH,
    SIDE,
    Box,
    chat,
    clip_tower,
    cropped,
    grid,
    llama,
    llama_tower,
    tower,
)

IMAGE = len(MARKS)
TOWERS = (
    clip_tower("vision", "model.vision_tower.encoder.layers", 24, 4, leading=1),
    llama_tower("model.language_model.layers", "model.language_model.norm"),
)
NOTES = "the class token and the last vision block are not read: an edit in that block changes nothing"
PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]


def _config() -> dict[str, Any]:
    vision = CLIPVisionConfig(**tower(hidden_size=24))
    return {
        "vision_config": vision,
        "text_config": llama(),
        "image_token_index": IMAGE,
        "image_seq_length": 16,
        "vision_feature_layer": -2,
    }


def _tools() -> dict[str, Any]:
    return {
        "tokenizer": tokenizer("<bos> $A", extra=("<image>",)),
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "chat_template": chat("<image>"),
    }


@family(
    "llava",
    kind="vision-language",
    facts=Facts(
        TOWERS, image_tokens=16, image_order="the 4x4 patches of the middle square, row by row", vision_layer=2
    ),
    notes=NOTES,
)
def llava(folder: Path) -> None:
    model = LlavaForConditionalGeneration(LlavaConfig(**_config()))
    save(folder, model, LlavaProcessor(clip_images(), **_tools()))


@family(
    "llava_next",
    kind="vision-language",
    facts=Facts(
        TOWERS,
        image_tokens=70,
        image_order="4x4 patches of the whole picture squeezed to a square, row by row; then the tiles' rows joined "
        "(row by row across tiles, not tile by tile), less the padding, each row followed by a newline token",
        vision_layer=2,
    ),
    notes=f"{NOTES}; image_tokens are those of a 48x32 picture; padding is cut to whole patches, so that the first and "
    "last rows kept may hold some; a batch pads pixel_values to the largest number of tiles",
)
def llava_next(folder: Path) -> None:
    model = LlavaNextForConditionalGeneration(LlavaNextConfig(**_config(), image_grid_pinpoints=PINPOINTS))
    sides = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    images = LlavaNextImageProcessorPil(**sides, image_grid_pinpoints=PINPOINTS)
    save(folder, model, LlavaNextProcessor(images, **_tools()))


def tiled(width: int, height: int) -> list[Box | None]:
    """For pictures whose best canvas is 56x56: both sizes of `pictures`."""
    side = 2 * SIDE
    scale = side / max(width, height)
    w, h = width * scale, height * scale  # the picture on the canvas, centred
    left, top = (side - w) / 2, (side - h) / 2
    cut_x, cut_y = (8 - int(w / PATCH)) // 2, (8 - int(h / PATCH)) // 2  # columns and rows of patches cut off
    canvas = grid(8, 8, (-left / scale, -top / scale, (side - left) / scale, (side - top) / scale))
    boxes = grid(4, 4, (0, 0, width, height))
    for row in range(cut_y, 8 - cut_y):
        boxes += [*canvas[row * 8 + cut_x : (row + 1) * 8 - cut_x], None]
    return boxes


BOXES |= {"llava": cropped(SIDE), "llava_next": tiled}
