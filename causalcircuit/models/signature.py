"""Which keywords a model's forward really takes.

Unknown keywords are silently ignored by every class, so nothing is passed that no signature names.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True)
class Signature:
    """The keywords of a `forward`.

    Attributes:
        names: all of them. text: what stands before `input_ids` for the text that logits are read from.
        source: the same for an encoder's text. position_ids: whether that text's places are passed.
        captions: whether images do not stand in its text as tokens.
        wants: what makes its inputs: `text`, `image`, `audio`; `both` where one processor makes text and image.
        image_token: the token that an image's places in its text hold.
        around: tokens that stand before and after an image in its text, where its processor does not write them.
    """

    names: frozenset[str]
    text: str
    position_ids: bool
    source: str = ""
    captions: bool = False
    wants: frozenset[str] = frozenset({"text"})
    image_token: int | None = None
    around: tuple[int, ...] = ()


def signature_of(hf: nn.Module) -> Signature:
    """Read the signature of a model's forward."""
    names = set(inspect.signature(hf.forward).parameters)
    prefix = "decoder_" if "decoder_input_ids" in names else ""
    inner = getattr(hf, "decoder", None)
    if prefix and isinstance(inner, nn.Module) and f"{prefix}attention_mask" in names:
        # Encoder-decoder shells hand `decoder_…` keywords to their decoder with the prefix taken off.
        names |= {f"{prefix}{n}" for n in inspect.signature(inner.forward).parameters if n == "position_ids"}
    config = getattr(hf, "config", None)
    numbers = (getattr(config, n, None) for n in ("image_token_id", "image_token_index"))
    token = next((n for n in numbers if n is not None), None)
    around = (getattr(config, n, None) for n in ("vision_start_token_id", "vision_end_token_id"))
    return Signature(
        frozenset(names),
        prefix,
        f"{prefix}position_ids" in names,
        captions=token is None,
        wants=_wants(names, token is None),
        image_token=token,
        around=tuple(n for n in around if isinstance(n, int)),
    )


def _wants(names: set[str], captions: bool) -> frozenset[str]:
    """What the inputs must be made by: a tokenizer, an image processor, a feature extractor, or one for all."""
    wanted = {"text"} if names & {"input_ids", "decoder_input_ids"} else set()
    if names & {"pixel_values", "flattened_patches"}:
        wanted.add("image")
    if "input_features" in names:
        wanted.add("audio")
    return frozenset(wanted if captions or "image" not in wanted else {"text", "image", "both"})
