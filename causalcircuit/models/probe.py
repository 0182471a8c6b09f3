"""A small made-up input that every model can be run on when it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from causalcircuit.models.feed import Feed
from causalcircuit.models.limits import longest_text
from causalcircuit.models.multimodal import audio_feed, illustrate, image_feed
from causalcircuit.models.roles import RoleError
from causalcircuit.models.signature import Signature

_LENGTH = 6


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Items of noise.

    Attributes:
        even: two items of one length, for passes without padding. ragged: the second one is shorter.
        one: the first item.
    """

    even: tuple[Feed, ...]
    ragged: tuple[Feed, ...]

    @property
    def one(self) -> Feed:
        """A single item."""
        return self.even[0]


def make_probe(hf: Any, takes: Signature, tokenizer: Any, processor: Any, dtype: torch.dtype) -> Probe:
    """Two items with the inputs that the model takes.

    Texts are of ordinary tokens; their length is one that no image tower has positions, so that a stream shows which
    tower it comes from.

    Raises:
        RoleError: it has too few positions for text.
    """
    generator = torch.Generator().manual_seed(0)
    limit, longest = _limits(hf, takes)
    texts = [t[:longest] for t in _texts(hf, tokenizer, generator)]
    names = takes.names
    if "pixel_values" in names or "flattened_patches" in names:
        pictures = [_noise(generator) for _ in range(2)]
        if "input_ids" in names and "decoder_input_ids" not in names and not takes.captions:
            said = [tokenizer.decode(words) for words in (*texts, texts[1][:3])]
            seen = (pictures[0], pictures[1], pictures[1])
            made = [illustrate(processor, p, s, dtype, takes).feed for p, s in zip(seen, said, strict=True)]
            return Probe(tuple(made[:2]), (made[0], made[2]))
        media = [image_feed(processor, p, dtype) for p in pictures]
        if "decoder_input_ids" not in names and "input_ids" not in names:
            feeds = tuple(Feed(media=m) for m in media)
            return Probe(feeds, feeds)
        feeds = tuple(Feed(t, media=m) for t, m in zip(texts, media, strict=True))
        return Probe(feeds, (feeds[0], Feed(_begun(texts[1]), media=media[1])))
    if "input_features" in names:
        feeds = tuple(Feed(t, media=audio_feed(processor, hf, generator, dtype)) for t in texts)
        return Probe(feeds, (feeds[0], Feed(_begun(texts[1]), media=feeds[1].media)))
    if "decoder_input_ids" in names:
        sources = [[*t, *t[:3]][:limit] for t in texts]
        feeds = tuple(Feed(t, s) for t, s in zip(texts, sources, strict=True))
        return Probe(feeds, (feeds[0], Feed(_begun(texts[1]), _begun(sources[1]))))
    feeds = tuple(Feed(t) for t in texts)
    return Probe(feeds, (feeds[0], Feed(texts[1][: max(1, len(texts[1]) - 2)])))


def _begun(text: list[int]) -> list[int]:
    return text[: max(1, len(text) // 2)]


def _limits(hf: Any, takes: Signature) -> tuple[int, int]:
    """How long a text that is read may be, and one that is written from it: both lengths tell the towers apart.

    Raises:
        RoleError: too short for two texts of different length.
    """
    limit = longest_text(hf) or 1 << 10
    longest = limit - ("decoder_input_ids" in takes.names)
    if longest < 2:
        raise RoleError(f"it has {limit} positions for text, too few to prove on them what a position sees")
    return limit, longest


def _texts(hf: Any, tokenizer: Any, generator: torch.Generator) -> list[list[int]]:
    """Two texts of ordinary tokens: a special one may stand for padding or for an image."""
    config = hf.config.get_text_config()
    size = int(getattr(config, "vocab_size", 0) or 100)
    special: Sequence[int] = getattr(tokenizer, "all_special_ids", ())
    marked = {
        v for k, v in hf.config.to_dict().items() if k.endswith(("_token_id", "_token_index")) and isinstance(v, int)
    }
    known = len(tokenizer) if tokenizer is not None else size
    usable = [i for i in range(min(size, known)) if i not in {*special, *marked}]
    picks = torch.randint(len(usable), (2, _LENGTH), generator=generator)
    return [[usable[int(i)] for i in row] for row in picks]


def _noise(generator: torch.Generator) -> Image.Image:
    pixels = torch.randint(256, (40, 48, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())
