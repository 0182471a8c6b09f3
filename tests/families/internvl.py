"""InternVL: a picture in tiles, then whole; patches merged two by two."""

from __future__ import annotations

from pathlib import Path

from transformers import GotOcr2ImageProcessorPil, InternVLConfig, InternVLForConditionalGeneration

from tests.families import Facts, family
from tests.families.parts import MARKS, tokenizer
from tests.families.vision_parts import BOXES, SIDE, Box, clip_tower, grid, llama_tower, qwen2, save_parts, tower

EXTRA = ("<IMG_CONTEXT>", "<img>", "</img>", "<video>")
IMAGE = len(MARKS)
SQUARE = {"height": SIDE, "width": SIDE}


@family(
    "internvl",
    kind="vision-language",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "model.vision_tower.encoder.layer",
                24,
                3,
                attention="attention",
                projection="attention.projection_layer",
                norms=("layernorm_before", "layernorm_after"),
                layer_scale=("lambda_1", "lambda_2"),
                leading=1,
            ),
            llama_tower("model.language_model.layers", "model.language_model.norm"),
        ),
        tied=True,
        image_tokens=12,
        image_order="the tiles row by row, the whole picture last; in each, squares of 2x2 patches row by row",
        vision_layer=3,
    ),
    notes="image_tokens are those of a 48x32 picture: two tiles beside each other; the writes are multiplied by the "
    "parameters lambda_1 and lambda_2, which are no modules; the projector drops the class token; the tiles of all "
    "pictures are one batch of the tower, and which tiles are whose is not among the inputs: the text's tokens say it",
)
def internvl(folder: Path) -> None:
    config = InternVLConfig(
        text_config=qwen2(),
        vision_config=tower(hidden_size=24, num_attention_heads=3),
        image_token_id=IMAGE,
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    context, start, end, video = EXTRA
    words = tokenizer(
        extra=EXTRA, context_image_token=context, start_image_token=start, end_image_token=end, video_token=video
    )
    images = GotOcr2ImageProcessorPil(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=4)
    model = InternVLForConditionalGeneration(config)
    settings = {"video_processor_type": "InternVLVideoProcessor", "size": SQUARE}
    save_parts(folder, model, "InternVLProcessor", images, words, context, settings, image_seq_length=4)


def _boxes(width: int, height: int) -> list[Box | None]:
    """For pictures of `pictures`: 2x1 tiles for the landscape, 2x2 for the square."""
    rows = 1 if width > height else 2
    tiles = [box for box in grid(rows, 2, (0, 0, width, height)) if box]
    return [token for tile in [*tiles, (0.0, 0.0, float(width), float(height))] for token in grid(2, 2, tile)]


BOXES["internvl"] = _boxes
