"""Generating by hand: one row at a time, no cache, hooks written here, the model's own modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tests.truth.ask import Engine

Change = Callable[[Tensor, int], Tensor]
"""Given a module's output [1, positions, width] and the length of the prompt, what takes its place."""


@contextmanager
def changed(module: nn.Module, change: Change | None, prompt: int) -> Iterator[None]:
    def hook(_: nn.Module, args: Any, output: Any) -> Any:
        if change is None:
            return None
        first = output[0] if isinstance(output, tuple) else output
        new = change(first.clone(), prompt)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def prompt_of(made: Engine, row: int) -> list[int]:
    """A row's prompt, or the prefix of a caption behind its start token."""
    words = made.model.tokenizer
    if made.model.text_channel == "prefix":
        return [0, *words("Mary gave", add_special_tokens=False)["input_ids"]]
    return list(words(made.data.columns["clean"][row])["input_ids"])


def logits_of(made: Engine, row: int, ids: list[int], column: str = "kitchen") -> Tensor:
    """[positions, vocabulary]"""
    hf = made.model.hf
    with torch.no_grad():
        if made.model.text_channel == "prefix":
            return hf(pixel_values=pixels(made, row, column), decoder_input_ids=torch.tensor([ids])).logits[0]
        return hf(torch.tensor([ids])).logits[0]


def pixels(made: Engine, row: int, column: str = "kitchen") -> Tensor:
    from PIL import Image

    picture = Image.open(made.data.resolve(made.data.columns[column][row])).convert("RGB")
    return made.model.processor(picture, return_tensors="pt")["pixel_values"].double()


def by_hand(
    made: Engine,
    row: int,
    tokens: int,
    module: nn.Module | None = None,
    change: Change | None = None,
    column: str = "kitchen",
) -> list[int]:
    """The greedy tokens of a row, up to the end token, with `change` at the output of `module` in every pass."""
    ids = prompt_of(made, row)
    start, out = len(ids), []
    while len(out) < tokens:
        with changed(module or made.model.hf, change, start):
            token = int(logits_of(made, row, ids, column)[-1].argmax())
        if token == 0:
            break
        out.append(token)
        ids = [*ids, token]
    return out


def read(made: Engine, tokens: list[int]) -> str:
    return str(made.model.tokenizer.decode(tokens, skip_special_tokens=True)).strip()
