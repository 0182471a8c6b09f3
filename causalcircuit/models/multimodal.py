"""Images and sounds as keywords of `forward`, made by the model's own processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from causalcircuit.models.feed import Feed
from causalcircuit.models.signature import Signature


def image_feed(processor: Any, picture: Image.Image, dtype: torch.dtype) -> dict[str, Tensor]:
    """A picture as keywords of `forward`; the first axis counts what belongs to it."""
    images = getattr(processor, "image_processor", processor)
    return tensors(images(images=picture, return_tensors="pt"), dtype)


def audio_feed(processor: Any, hf: Any, generator: torch.Generator, dtype: torch.dtype) -> dict[str, Tensor]:
    """Noise as sound, as long as the model listens."""
    extractor = getattr(processor, "feature_extractor", processor)
    rate = int(extractor.sampling_rate)
    sound = torch.randn(rate, generator=generator).numpy()
    return tensors(extractor(sound, sampling_rate=rate, return_tensors="pt"), dtype)


def picture_feed(
    processor: Any, tokenizer: Any, picture: Image.Image, words: Sequence[int], dtype: torch.dtype, takes: Signature
) -> Feed:
    """A picture and words for a vision-language model: its prompt is the image's tokens and the words."""
    text = f"{image_mark(processor, tokenizer)} {tokenizer.decode(list(words))}"
    made = dict(processor(text=[text], images=[picture], return_tensors="pt"))
    return feed_of(made, tokenizer, processor, dtype, takes)


def feed_of(made: dict[str, Any], tokenizer: Any, processor: Any, dtype: torch.dtype, takes: Signature) -> Feed:
    """What a processor made of one text with its images, as one item."""
    ids = [int(i) for i in made.pop("input_ids")[0]]
    made.pop("attention_mask", None)
    marks = {
        name: [int(i) for i in made.pop(name)[0]] for name in ("token_type_ids", "mm_token_type_ids") if name in made
    }
    image = image_token(processor, tokenizer)
    pictured = tuple(i for i, token in enumerate(ids) if token == image)
    if "mm_token_type_ids" in takes.names and "mm_token_type_ids" not in marks:
        marks["mm_token_type_ids"] = [int(i in set(pictured)) for i in range(len(ids))]
    return Feed(ids, None, tensors(made, dtype), {k: v for k, v in marks.items() if k in takes.names}, pictured)


def tensors(made: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a processor's output, numbers in the model's dtype."""
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in made.items()
        if isinstance(value, Tensor)
    }


def image_mark(processor: Any, tokenizer: Any) -> str:
    """What stands for an image in a prompt."""
    for holder, name in ((processor, "boi_token"), (processor, "image_token"), (tokenizer, "image_token")):
        mark = getattr(holder, name, None)
        if mark is not None:
            return str(mark)
    return "<image>"


def image_token(processor: Any, tokenizer: Any) -> int:
    """The token that an image's places hold."""
    for holder, name in ((processor, "image_token_id"), (tokenizer, "image_token_id")):
        number = getattr(holder, name, None)
        if isinstance(number, int):
            return number
    return int(tokenizer.convert_tokens_to_ids(image_mark(processor, tokenizer)))
