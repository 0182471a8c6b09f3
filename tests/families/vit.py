"""ViT and DINOv2: pictures to features or class scores."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    BitImageProcessorPil,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from tests.families import Facts, Tower, family
from tests.families.parts import save
from tests.families.vision_parts import BOXES, SIDE, clip_tower, cropped, squeezed, tower

LABELS = {0: "cat", 1: "dog", 2: "horse"}
WRITES = {"attention": "attention", "projection": "attention.o_proj", "leading": 1}
VIT_NORMS = ("layernorm_before", "layernorm_after")
BOXES |= {"vit": squeezed(4), "dinov2": cropped(32), "dinov2_classes": cropped(32)}


@family(
    "vit",
    kind="vision",
    facts=Facts(
        (clip_tower("vision", "vit.layers", 32, 4, final_norm="vit.layernorm", norms=VIT_NORMS, **WRITES),),
        unembedding="classifier",
    ),
    notes="the class scores read the class token after the final norm; the eager softmax is computed in float32",
)
def vit(folder: Path) -> None:
    config = ViTConfig(**tower(), id2label=LABELS)
    save(folder, ViTForImageClassification(config), ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}))


def _dino(prefix: str) -> Tower:
    scales = ("layer_scale1", "layer_scale2")
    blocks, norm = f"{prefix}encoder.layer", f"{prefix}layernorm"
    return clip_tower(
        "vision", blocks, 32, 4, mlp=64, final_norm=norm, layer_scale=scales, norms=("norm1", "norm2"), **WRITES
    )


def _dino_config(**more: object) -> Dinov2Config:
    sizes = {name: size for name, size in tower(mlp_ratio=2).items() if name != "intermediate_size"}
    return Dinov2Config(**sizes, **more)


def _dino_images() -> BitImageProcessorPil:
    return BitImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": SIDE, "width": SIDE})


@family(
    "dinov2",
    kind="vision",
    facts=Facts((_dino(""),), unembedding=""),
    notes="the writes are the outputs of the layer-scale modules; no head: features only",
)
def dinov2(folder: Path) -> None:
    save(folder, Dinov2Model(_dino_config()), _dino_images())


@family(
    "dinov2_classes",
    kind="vision",
    model_type="dinov2",
    facts=Facts((_dino("dinov2."),), unembedding="classifier"),
    notes="the class scores read the class token beside the mean of the patches, both after the final norm",
)
def dinov2_classes(folder: Path) -> None:
    save(folder, Dinov2ForImageClassification(_dino_config(id2label=LABELS)), _dino_images())
