"""From logits to text: end tokens, noise that belongs to the row, the choice of a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.models.model import LoadedModel


@dataclass(frozen=True, slots=True)
class Written:
    """A generated text: its tokens less the end token, and how they read."""

    tokens: tuple[int, ...]
    text: str


def end_tokens(model: LoadedModel) -> frozenset[int]:
    """The tokens that end a text: those of the generation config, else of the config or the tokenizer."""
    config = model.hf.config
    inner = (getattr(config, n, None) for n in ("decoder", "text_config"))
    for holder in (getattr(model.hf, "generation_config", None), config, *inner):
        value = getattr(holder, "eos_token_id", None)
        if value is not None:
            return frozenset(value if isinstance(value, list | tuple) else [value])
    value = getattr(model.tokenizer, "eos_token_id", None)
    return frozenset() if value is None else frozenset([value])


def written(model: LoadedModel, tokens: Sequence[int]) -> Written:
    """What tokens read like: special ones left out, stripped."""
    text = model.tokenizer.decode(list(tokens), skip_special_tokens=True)
    return Written(tuple(tokens), text.strip())


def no_text(model: LoadedModel, first: bool = False) -> tuple[int, ...]:
    """Tokens that are never chosen, and those that are not as the `first` one.

    The token that stands for an image, which a model cannot be fed without one, and what the generation config
    suppresses: Whisper's marks of music and speakers, an end before the first word.
    """
    marks = [] if model.takes.image_token is None else [model.takes.image_token]
    config = getattr(model.hf, "generation_config", None)
    for name in ("suppress_tokens", *(("begin_suppress_tokens",) if first else ())):
        marks += [i for i in getattr(config, name, None) or () if i >= 0]
    return tuple(dict.fromkeys(marks))


# Settings of generation that a text does not follow, with the value at which they do nothing.
_IDLE: dict[str, object] = {
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "min_length": 0,
    "min_new_tokens": 0,
    "guidance_scale": 1.0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "forced_decoder_ids": None,
    "exponential_decay_length_penalty": None,
    "stop_strings": None,
    "lang_to_id": None,
    "task_to_id": None,
}


def unfollowed(model: LoadedModel) -> tuple[str, ...]:
    """Settings of a model's generation config that make `generate` choose other tokens than its distribution does."""
    config = getattr(model.hf, "generation_config", None)
    return tuple(name for name, idle in _IDLE.items() if getattr(config, name, None) not in (None, idle, [], {}))


def writes_text(model: LoadedModel) -> bool:
    """Whether a loaded model is one that generates: its own class says so, and its output is a vocabulary."""
    return model.sites.readout == "vocabulary" and bool(model.hf.can_generate())


def gumbel(seed: int, row: int, step: int, size: int) -> NDArray[np.float64]:
    """[size] standard Gumbel noise of a row's step, one number a token.

    Philox (Salmon et al. 2011) is a function of a key and a counter: here of (seed, row) and the step, so that the
    noise depends on nothing else, neither the world nor the batch. `-log(-log u)` of uniform u is Gumbel.
    """
    raw = np.random.Philox(key=[seed, row], counter=[0, 0, 0, step]).random_raw(size)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    noise: NDArray[np.float64] = -np.log(-np.log(uniform))
    return noise


def choose(
    logits: Tensor,
    temperature: float | None,
    seed: int | None,
    rows: Sequence[int],
    step: int,
    never: Sequence[int] = (),
) -> list[int] | None:
    """The next token of each row; `None` where the logits are no numbers.

    Greedy without a temperature (of equal logits the first). Else by Gumbel-max: the largest of `logits / temperature`
    plus noise is a draw from their softmax (Gumbel 1954), and rows of equal noise and close logits draw alike.

    Args:
        logits: [rows, vocabulary]. rows: their numbers in the file. never: tokens that are no text.
    """
    scores = logits.double().cpu().numpy()
    if never:
        scores = scores.copy()
        scores[:, [i for i in never if i < scores.shape[-1]]] = -np.inf  # configs name tokens of other sizes
    if np.isnan(scores).any() or not np.isfinite(scores.max(-1)).all():
        return None
    if temperature is not None and seed is not None:
        size = scores.shape[-1]
        scores = scores / temperature + np.stack([gumbel(seed, row, step, size) for row in rows])
    return [int(i) for i in scores.argmax(-1)]


def as_rows(logits: Tensor, items: Sequence[int], places: Sequence[int]) -> Tensor:
    """[items, vocabulary] the logits of one place of each item."""
    index = torch.tensor(items, dtype=torch.long), torch.tensor(places, dtype=torch.long)
    return logits[index[0].to(logits.device), index[1].to(logits.device)]
