"""Texts step by step with the model's own cache of keys and values, where that equals running all anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from causalcircuit.models.contract.close import close
from causalcircuit.models.feed import Batch, Feed, Stream
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.taps import Visit

_STEPS = 3


class Cached:
    """A batch whose texts grow: the prompts' pass fills the cache, then each step feeds one token an item."""

    def __init__(self, model: LoadedModel, prompts: Batch, lengths: Sequence[int]) -> None:
        """Start with prompts of these lengths."""
        self._model, self._prompts = model, prompts
        self._lengths = torch.tensor(lengths, device=model.device)[:, None]
        self._encoded: Any = None
        self._steps = 0
        own = DynamicCache(config=model.hf.config.get_text_config(decoder=True))
        self._cache = own if not model.takes.text else EncoderDecoderCache(own, DynamicCache())

    def first(self, taps: Iterable[str], visit: Visit) -> Tensor:
        """The pass over the prompts; logits as by `LoadedModel.forward`."""
        batch = replace(self._prompts, keywords={**self._prompts.keywords, **self._kept()})
        with self._keeping():
            return self._model.forward(batch, taps, visit)

    def feed(self, tokens: Sequence[int]) -> Batch:
        """A batch of one more token of each item, to be given to `LoadedModel.forward` once."""
        model, before, n = self._model, self._prompts.keywords, len(tokens)
        text = model.takes.text
        self._steps += 1
        keywords: dict[str, Any] = {f"{text}input_ids": torch.tensor(tokens, device=model.device)[:, None]}
        mask = before.get(f"{text}attention_mask")
        if mask is not None:
            keywords[f"{text}attention_mask"] = torch.cat([mask, mask.new_ones(n, self._steps)], 1)
        if model.takes.position_ids:
            keywords[f"{text}position_ids"] = self._lengths + (self._steps - 1)
        if text:
            keywords["encoder_outputs"] = self._encoded
            source = f"{model.takes.source}attention_mask"
            keywords.update({source: before[source]} if source in before else {})
        places = tuple(range(n))
        streams = {model.sites.readout_tower.name: Stream(places, (0,) * n)}
        return Batch({**keywords, **self._kept()}, n, streams, (0,) * n)

    def _kept(self) -> dict[str, Any]:
        return {"past_key_values": self._cache, "use_cache": True}

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Keep what the encoder gives: it runs once."""
        if not self._model.takes.text:
            yield
            return

        def keep(_: Any, args: Any, output: Any) -> None:
            self._encoded = output

        handle = self._model.hf.get_encoder().register_forward_hook(keep)
        try:
            yield
        finally:
            handle.remove()


def cacheable(model: LoadedModel) -> bool:
    """Whether a model may keep keys and values: a plain decoder, or an encoder and a decoder."""
    takes = model.takes
    if not {"past_key_values", "use_cache"} <= takes.names:
        return False
    return "encoder_outputs" in takes.names if takes.text else model.sites.channels == ("input",)


def cache_holds(model: LoadedModel, feeds: Sequence[Feed]) -> bool:
    """Whether some steps with the cache give the logits that running all anew gives, on these prompts."""
    lengths = [len(f.ids or ()) for f in feeds]
    try:
        run = Cached(model, model.batch(feeds), lengths)
        kept = _last(run.first((), _same), model.batch(feeds), lengths)
        grown = list(feeds)
        for step in range(_STEPS + 1):
            batch = model.batch(grown)
            anew = _last(model.forward(batch, (), _same), batch, [n + step for n in lengths])
            if not close(kept, anew):
                return False
            tokens = [int(i) for i in anew.argmax(-1)]
            grown = [replace(f, ids=[*(f.ids or ()), t]) for f, t in zip(grown, tokens, strict=True)]
            kept = model.forward(run.feed(tokens), (), _same)[:, -1]
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, NotImplementedError):
        return False  # a family whose cache is none of these: its texts are run anew at each step
    return True


def _last(logits: Tensor, batch: Batch, lengths: Sequence[int]) -> Tensor:
    items = range(len(lengths))
    return torch.stack([logits[i, batch.left[i] + lengths[i] - 1] for i in items])


def _same(_: str, tensor: Tensor) -> Tensor:
    return tensor
