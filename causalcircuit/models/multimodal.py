"""Images, sounds and the texts around them as keywords of `forward`, made by the model's own processor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from causalcircuit.models.feed import Feed
from causalcircuit.models.signature import Signature

PLACE = "<image>"
"""What stands for an image in a prompt, whatever the model's own mark."""
BLANK = "￼"
"""Stands in a text for each character that stands for an image: it is in no word."""


def image_feed(processor: Any, picture: Image.Image, dtype: torch.dtype, **options: Any) -> dict[str, Tensor]:
    """A picture as keywords of `forward`; the first axis counts what belongs to it."""
    images = getattr(processor, "image_processor", processor)
    return tensors(images(images=picture, return_tensors="pt", **options), dtype)


def audio_feed(processor: Any, hf: Any, generator: torch.Generator, dtype: torch.dtype) -> dict[str, Tensor]:
    """Noise as sound, as long as the model listens."""
    extractor = getattr(processor, "feature_extractor", processor)
    rate = int(extractor.sampling_rate)
    return sound_feed(extractor, torch.randn(rate, generator=generator).numpy(), dtype)


def sound_feed(extractor: Any, sound: NDArray[np.float32], dtype: torch.dtype) -> dict[str, Tensor]:
    """Samples at the extractor's rate as keywords of `forward`."""
    rate = int(extractor.sampling_rate)
    return tensors(extractor(sound, sampling_rate=rate, return_tensors="pt"), dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Illustrated:
    """A text with its image, as a vision-language model reads both.

    Attributes:
        text: as it was tokenized; where the image's tokens stand, and what its processor writes between them, a
            character stands that is in no word.
        ids: tokens. offsets: the characters of each, `(0, 0)` for those that the tokenizer added.
        pictured: the places of the image's tokens. marks: keywords with one number a token. media: other keywords.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    pictured: tuple[int, ...]
    marks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    media: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def feed(self) -> Feed:
        """The same as an item of a batch."""
        return Feed(self.ids, None, self.media, self.marks, self.pictured)


def illustrate(
    processor: Any,
    picture: Image.Image,
    text: str,
    dtype: torch.dtype,
    takes: Signature,
    special: bool = True,
    **options: Any,
) -> Illustrated:
    """Let a vision-language model's processor write an image into a text.

    Args:
        processor: the model's. picture: the image. dtype: of the model.
        text: with `<image>`, or the model's own mark, where the image stands; before it where there is neither.
        takes: the model's signature.
        special: whether the tokenizer adds its special tokens, as to plain prompts.
        options: for the processor.

    Raises:
        ValueError: the text has several marks, or the processor refuses it.
    """
    tokenizer = processor.tokenizer
    hearing = _Hearing(tokenizer)
    processor.tokenizer = hearing
    try:
        with warnings.catch_warnings():  # some processors make arrays of tensors in a way that numpy warns of
            warnings.simplefilter("ignore")
            made = processor(
                text=[placed(processor, takes, text)],
                images=[picture],
                return_tensors="pt",
                add_special_tokens=special,
                **options,
            )
    finally:
        processor.tokenizer = tokenizer
    ids = tuple(int(i) for i in made["input_ids"][0])
    image = takes.image_token if takes.image_token is not None else getattr(processor, "image_token_id", None)
    pictured = tuple(i for i, token in enumerate(ids) if token == image)
    marks = {n: made[n][0] for n in ("token_type_ids", "mm_token_type_ids") if n in made}
    if "mm_token_type_ids" in takes.names and "mm_token_type_ids" not in marks:
        marks["mm_token_type_ids"] = [int(token == image) for token in ids]
    inputs = {"input_ids", "attention_mask", "labels", *marks}
    offsets = tuple((int(a), int(b)) for a, b in hearing.offsets)
    return Illustrated(
        _blanked(hearing.text, offsets, pictured),
        ids,
        offsets,
        pictured,
        {n: tuple(int(x) for x in v) for n, v in marks.items() if n in takes.names},
        tensors({n: v for n, v in made.items() if n not in inputs}, dtype),
    )


def placed(processor: Any, takes: Signature, text: str) -> str:
    """`text` with the processor's own mark where the image stands.

    Raises:
        ValueError: several marks.
    """
    mark = image_mark(processor)
    around = processor.tokenizer.convert_ids_to_tokens(list(takes.around))
    whole = "".join((*around[:1], mark, *around[1:]))
    if mark not in text and PLACE in text:
        text = text.replace(PLACE, whole)
    elif mark not in text:
        text = whole + text
    if text.count(mark) > 1:
        raise ValueError(f"the text has {text.count(mark)} places for images, and one image is fed")
    return text


class _Hearing:
    """A tokenizer that keeps the text which it is given by a processor, and where its tokens stand in it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.text = ""
        self.offsets: Sequence[Any] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: Any, **options: Any) -> Any:
        options["return_offsets_mapping"] = True
        coded = self._tokenizer(text, **{**options, "verbose": False})
        self.text = text if isinstance(text, str) else text[0]
        self.offsets = coded.pop("offset_mapping")[0]
        return coded


def _blanked(text: str, offsets: Sequence[tuple[int, int]], pictured: Sequence[int]) -> str:
    """The text without what stands for the image: a word that is looked for is not to be found there."""
    if not pictured:
        return text
    start, end = offsets[pictured[0]][0], offsets[pictured[-1]][1]
    return text[:start] + BLANK * (end - start) + text[end:]


def tensors(made: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a processor's output, numbers in the model's dtype."""
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in made.items()
        if isinstance(value, Tensor)
    }


def image_mark(processor: Any) -> str:
    """What stands for an image in the texts that a processor is given."""
    for name in ("boi_token", "image_token"):
        mark = getattr(processor, name, None)
        if mark is not None:
            return str(mark)
    return PLACE
