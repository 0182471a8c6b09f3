"""What the builders of models with pictures or sounds share: pictures, small language models, a processor's loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image
from transformers import LlamaConfig, Qwen2Config
from transformers.utils import is_torchvision_available

from tests.families import Tower
from tests.families.parts import BOS, EOS, PAD, VOCABULARY, save

SIDE, PATCH = 28, 7
"""Most towers here see pictures of 28×28 pixels in 4×4 patches."""


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture as it is on disk; a part of it may lie outside the picture."""
Boxes = Callable[[int, int], list[Box | None]]
"""Of a picture's width and height: what each token is made from, in the stream's order; `None`: from no pixel."""
BOXES: dict[str, Boxes] = {}


def grid(rows: int, columns: int, box: Box) -> list[Box | None]:
    """`box` cut into cells, row by row."""
    left, top, right, bottom = box
    w, h = (right - left) / columns, (bottom - top) / rows
    return [
        (left + c * w, top + r * h, left + (c + 1) * w, top + (r + 1) * h) for r in range(rows) for c in range(columns)
    ]


def squeezed(side: int) -> Boxes:
    """The whole picture is resized to a square, whatever its shape, of `side` x `side` tokens."""
    return lambda width, height: grid(side, side, (0, 0, width, height))


def cropped(shortest: int) -> Boxes:
    """The shorter edge is resized to `shortest`, then `SIDE` x `SIDE` pixels are cut from the middle, of 4x4 tokens."""

    def boxes(width: int, height: int) -> list[Box | None]:
        short = min(width, height)
        w, h = int(shortest * width / short), int(shortest * height / short)
        left, top = (w - SIDE) // 2, (h - SIDE) // 2
        x, y = width / w, height / h
        return grid(4, 4, (left * x, top * y, (left + SIDE) * x, (top + SIDE) * y))

    return boxes


def llama_tower(blocks: str, final_norm: str, **different: Any) -> Tower:
    """The language model of `llama` or `qwen2`, at the paths given."""
    facts: dict[str, Any] = {
        "layers": 3,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 8,
        "width": 32,
        "mlp": 48,
        "norm": "pre",
        "positions": "rotary",
        "rotary_dims": 8,
        "attention": "self_attn",
        "mlp_write": "mlp",
        "projection": "self_attn.o_proj",
        "norms": ("input_layernorm", "post_attention_layernorm"),
        "neurons": "mlp.down_proj",
    }
    return Tower("decoder", blocks=blocks, final_norm=final_norm, **{**facts, **different})


def clip_tower(name: str, blocks: str, width: int, heads: int, **different: Any) -> Tower:
    """Blocks as CLIP's and SigLIP's, three of them; 4x4 patches if it is a vision tower."""
    facts: dict[str, Any] = {
        "layers": 3,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": width // heads,
        "width": width,
        "mlp": 48,
        "norm": "pre",
        "positions": "learned",
        "attention": "self_attn",
        "mlp_write": "mlp",
        "projection": "self_attn.out_proj",
        "norms": ("layer_norm1", "layer_norm2"),
        "neurons": "mlp.fc2",
        "causal": False,
        "patches": 16 if name == "vision" else 0,
    }
    return Tower(name, blocks=blocks, **{**facts, **different})


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise, so that no two patches are alike."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pictures() -> tuple[Image.Image, Image.Image]:
    """A landscape of 48×32 pixels and a square of 40×40: neither is a size that a tower takes."""
    return picture(48, 32, 1), picture(40, 40, 2)


def sizes(**more: Any) -> dict[str, Any]:
    """Three blocks of width 32 with 4 heads and 48 neurons."""
    return {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48} | more


def tower(**more: Any) -> dict[str, Any]:
    """The same for a vision tower of 4×4 patches."""
    return sizes(image_size=SIDE, patch_size=PATCH) | more


def marks(**more: Any) -> dict[str, Any]:
    """The vocabulary of the shared tokenizer."""
    return {"vocab_size": VOCABULARY, "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS} | more


def llama(**more: Any) -> LlamaConfig:
    """A Llama with grouped queries: 4 heads of 8, 2 KV heads."""
    return LlamaConfig(**sizes(num_key_value_heads=2, max_position_embeddings=256, **marks(), **more))


def qwen2(**more: Any) -> Qwen2Config:
    """A Qwen2 with grouped queries: 4 heads of 8, 2 KV heads."""
    return Qwen2Config(**sizes(num_key_value_heads=2, max_position_embeddings=256, **marks(), **more))


CHAT = (
    "{% for m in messages %}{{ m['role'] + ' : ' }}{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{{ '§' if c['type'] == 'image' else c['text'] + ' ' }}{% endfor %}"
    "{% endif %}{{ ' <eos> ' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant :' }}{% endif %}"
)


def chat(image: str) -> str:
    """A chat template that writes `image` where a message holds a picture."""
    return CHAT.replace("§", image)


def save_parts(
    folder: Path,
    model: Any,
    processor: str,
    images: Any,
    words: Any,
    image: str,
    video: dict[str, Any],
    **settings: Any,
) -> None:
    """Write a model whose processor also takes videos, in the files that hubs hold, with or without torchvision.

    Args:
        folder: where to.
        model: the model, redrawn here.
        processor: the name of the processor's class.
        images: the image processor.
        words: the tokenizer.
        image: what a prompt holds in the place of a picture.
        video: the video processor's settings.
        settings: the processor's own.
    """
    save(folder, model, words, images)
    (folder / "chat_template.jinja").write_text(chat(image))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": processor, **settings}))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video))


def without_video(cls: type) -> type:
    """The processor class where torchvision is missing: it then has no video processor, and pictures need none.

    `transformers` 5.23 makes video processors with torchvision only, and refuses `None` in their place.
    """

    def check(self: Any, name: str, tool: Any) -> Any:
        if name == "video_processor" and tool is None:
            return None
        return cls.check_argument_for_proper_class(self, name, tool)

    return type(cls.__name__, (cls,), {"check_argument_for_proper_class": check})


def load_processor(folder: Path) -> Any:
    """The folder's processor for text and pictures, with or without torchvision.

    Raises:
        ImportError: where the processor needs a package that is missing.
    """
    local = {"local_files_only": True}
    config, _ = transformers.ProcessorMixin.get_processor_dict(folder, **local)
    cls = getattr(transformers, config.get("processor_class", ""), None)
    if cls is None or is_torchvision_available() or "video_processor" not in cls.get_attributes():
        return transformers.AutoProcessor.from_pretrained(folder, backend="pil", **local)
    images = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
    words = transformers.AutoTokenizer.from_pretrained(folder, **local)
    return without_video(cls).from_args_and_dict([images, words, None], config)  # type: ignore[attr-defined]
