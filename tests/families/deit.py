"""DeiT (two leading tokens) and Swin (windows that shift, patches that merge on the way)."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTImageProcessorPil,
    SwinConfig,
    SwinForImageClassification,
    ViTImageProcessorPil,
)

from tests.families import Facts, family
from tests.families.parts import save
from tests.families.vision_parts import BOXES, SIDE, clip_tower, squeezed, tower
from tests.families.vit import LABELS, VIT_NORMS, WRITES

SQUARE = {"height": SIDE, "width": SIDE}
BOXES["deit"] = squeezed(4)


@family(
    "deit",
    kind="vision",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "deit.layers",
                32,
                4,
                norms=VIT_NORMS,
                final_norm="deit.layernorm",
                **{**WRITES, "leading": 2},
            ),
        ),
        unembedding="classifier",
    ),
    notes="a distillation token stands between the class token and the patches; the class scores do not read it",
)
def deit(folder: Path) -> None:
    images = DeiTImageProcessorPil(size=SQUARE, do_center_crop=False)
    save(folder, DeiTForImageClassification(DeiTConfig(**tower(), id2label=LABELS)), images)


@family(
    "swin",
    kind="vision",
    facts=Facts((), unembedding="classifier"),
    notes="no tower as the others have: two stages of unlike widths (16, 32), of 8x8 and then 4x4 patches; "
    "attention runs within windows of 2x2 patches that stand in the batch dimension, and every second block shifts "
    "them; no class token: the scores read the mean",
)
def swin(folder: Path) -> None:
    config = SwinConfig(
        image_size=32,
        patch_size=4,
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=2,
        drop_path_rate=0.0,
        id2label=LABELS,
    )
    images = ViTImageProcessorPil(size={"height": 32, "width": 32})
    save(folder, SwinForImageClassification(config), images)
