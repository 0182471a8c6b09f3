"""CLIP and SigLIP: a text tower and a vision tower that meet in one space."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
)

from tests.families import Facts, family
from tests.families.parts import save, tokenizer
from tests.families.vision_parts import BOXES, SIDE, clip_tower, cropped, marks, sizes, squeezed, tower

TEXT, VISION = "text_model.encoder.layers", "vision_model.encoder.layers"
TEXT_NORM = "text_model.final_layer_norm"
BOXES |= {"clip": cropped(SIDE), "siglip": squeezed(4)}


def clip_images() -> CLIPImageProcessorPil:
    """Resizes the shorter edge to `SIDE` pixels and cuts a square from the middle."""
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


@family(
    "clip",
    kind="two-tower",
    facts=Facts(
        (
            clip_tower("text", TEXT, 32, 4, causal=True, final_norm=TEXT_NORM),
            clip_tower("vision", VISION, 32, 4, leading=1),
        ),
        unembedding="",
    ),
    notes="vision: a norm (pre_layrnorm) stands before the first block, post_layernorm sees the class token only; "
    "text: the vector is that of the first end token",
)
def clip(folder: Path) -> None:
    text = sizes(max_position_embeddings=32, **marks())
    config = CLIPConfig(text_config=text, vision_config=tower(), projection_dim=24)
    save(folder, CLIPModel(config), CLIPProcessor(clip_images(), tokenizer("<bos> $A <eos>")))


@family(
    "siglip",
    kind="two-tower",
    facts=Facts(
        (
            clip_tower("text", TEXT, 32, 4, final_norm=TEXT_NORM),
            clip_tower("vision", VISION, 32, 4, final_norm="vision_model.post_layernorm"),
        ),
        unembedding="",
    ),
    notes="no class token: the vision vector is pooled by a head with attention of its own (nn.MultiheadAttention); "
    "text is padded to a fixed length, sees its padding, and its vector is that of the last position",
)
def siglip(folder: Path) -> None:
    text = sizes(max_position_embeddings=16, **marks())
    words = tokenizer("$A <eos>")
    words.model_max_length = 16
    words.model_input_names = ["input_ids"]  # as SigLIP's own: no mask
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    save(folder, SiglipModel(SiglipConfig(text_config=text, vision_config=tower())), SiglipProcessor(images, words))
