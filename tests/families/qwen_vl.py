"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: pictures in their own shape, patches merged two by two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from tests.families import Facts, family
from tests.families.parts import MARKS, tokenizer
from tests.families.vision_parts import (
    BOXES,
    PATCH,
    SIDE,
    Box,
    clip_tower,
    grid,
    llama_tower,
    marks,
    save_parts,
    sizes,
)

EXTRA = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
START, IMAGE, END, VIDEO = range(len(MARKS), len(MARKS) + 4)
PLACE = "<|vision_start|><|image_pad|><|vision_end|>"
IDS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": START,
    "vision_end_token_id": END,
}
VISION: dict[str, Any] = {
    "attention": "attn",
    "projection": "attn.proj",
    "positions": "rotary",
    "rotary_dims": 8,
    "patches": 24,
    "norms": ("norm1", "norm2"),
}
TEXT = llama_tower("model.language_model.layers", "model.language_model.norm")
ORDER = "the merged squares of 2x2 patches, row by row"
NOTES = (
    "image_tokens are those of a 48x32 picture, which is resized to 42x28: 4x6 patches, 2x3 tokens; pixel_values hold "
    "a row a patch, of all pictures together and without a batch, in the order of the merged squares (the 4 patches of "
    "one square follow each other), and so does the tower's stream, of shape [patches, width]; the merger's norm is "
    "the tower's final norm; text positions need mm_token_type_ids, or all image tokens get positions of text"
)


def _text(**more: Any) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    return sizes(num_key_value_heads=2, max_position_embeddings=256, rope_parameters=rope, **marks(), **more)


def _save(folder: Path, model: Any, processor: str, video: str) -> None:
    parts = {"patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2}
    images = Qwen2VLImageProcessorPil(**parts, size={"shortest_edge": SIDE**2, "longest_edge": 4 * SIDE**2})
    words = tokenizer(extra=EXTRA)
    save_parts(folder, model, processor, images, words, PLACE, {"video_processor_type": video, **parts})


def _boxes(width: int, height: int) -> list[Box | None]:
    return grid(round(height / 14), round(width / 14), (0, 0, width, height))


BOXES |= {"qwen2_vl": _boxes, "qwen2_5_vl": _boxes, "qwen3_vl": _boxes}


@family(
    "qwen2_vl",
    kind="vision-language",
    facts=Facts(
        (clip_tower("vision", "model.visual.blocks", 24, 3, final_norm="model.visual.merger.ln_q", **VISION), TEXT),
        image_tokens=6,
        image_order=ORDER,
        vision_layer=3,
    ),
    notes=NOTES,
)
def qwen2_vl(folder: Path) -> None:
    vision = {"depth": 3, "embed_dim": 24, "hidden_size": 32, "num_heads": 3, "mlp_ratio": 2, "patch_size": PATCH}
    config = Qwen2VLConfig(text_config=_text(), vision_config=vision, **IDS)
    _save(folder, Qwen2VLForConditionalGeneration(config), "Qwen2VLProcessor", "Qwen2VLVideoProcessor")


def _wide() -> dict[str, Any]:
    shape = {"depth": 3, "hidden_size": 24, "out_hidden_size": 32, "num_heads": 3, "intermediate_size": 48}
    return {**shape, "patch_size": PATCH}


@family(
    "qwen2_5_vl",
    kind="vision-language",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "model.visual.blocks",
                24,
                3,
                neurons="mlp.down_proj",
                final_norm="model.visual.merger.ln_q",
                **VISION,
            ),
            TEXT,
        ),
        image_tokens=6,
        image_order=ORDER,
        vision_layer=3,
    ),
    notes=f"{NOTES}; blocks 0 and 2 attend within windows of 28x28 pixels, and inside the tower the merged squares "
    "stand window by window: the order is put back only after the merger",
)
def qwen2_5_vl(folder: Path) -> None:
    vision = {**_wide(), "window_size": 28, "fullatt_block_indexes": [1]}
    config = Qwen2_5_VLConfig(text_config=_text(), vision_config=vision, **IDS)
    _save(folder, Qwen2_5_VLForConditionalGeneration(config), "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor")


@family(
    "qwen3_vl",
    kind="vision-language",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "model.visual.blocks",
                24,
                3,
                neurons="mlp.linear_fc2",
                final_norm="model.visual.merger.norm",
                **VISION,
            ),
            TEXT,
        ),
        image_tokens=6,
        image_order=ORDER,
        vision_layer=3,
    ),
    notes=f"{NOTES}; the tower has learned positions too, interpolated; its blocks 0 and 1 are merged as well and "
    "added to the language model's stream at image tokens after that model's blocks 0 and 1: stream plus writes is "
    "not the next stream there",
)
def qwen3_vl(folder: Path) -> None:
    vision = {**_wide(), "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]}
    config = Qwen3VLConfig(text_config=_text(head_dim=8), vision_config=vision, **IDS)
    _save(folder, Qwen3VLForConditionalGeneration(config), "Qwen3VLProcessor", "Qwen3VLVideoProcessor")
