"""Arithmetic that scores can stand: models in half precision calculate in float32 while their wires are scored.

A score is a small difference of large numbers times a gradient; with 8 or 11 bits of them each rounds by more than
close worlds differ. The weights are taken as they are: every one of them is a float32, too, and comes back bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from causalcircuit.engine.cost.dims import dims_of
from causalcircuit.models import LoadedModel

HALF = (torch.bfloat16, torch.float16)


def halved(model: LoadedModel) -> bool:
    """Whether a model calculates in half precision."""
    return model.dtype in HALF


def weights_of(model: LoadedModel) -> int:
    """Bytes of a model's weights while its wires are scored; of a loaded model or a sketch."""
    whole = dims_of(model).weights
    return whole + sum(t.numel() * (4 - t.element_size()) for t in _half(model))


@contextmanager
def precise(model: LoadedModel) -> Iterator[None]:
    """Inside the context a model in half precision calculates in float32."""
    before = [(t, t.dtype) for t in _half(model)]
    try:
        for tensor, _ in before:
            tensor.data = tensor.data.float()
        yield
    finally:
        try:
            _back(before)
        except KeyboardInterrupt:
            _back(before)
            raise


def _half(model: LoadedModel) -> list[Tensor]:
    """Every parameter and buffer in half precision, shared ones once."""
    every = {id(t): t for t in (*model.hf.parameters(), *model.hf.buffers())}
    return [t for t in every.values() if t.dtype in HALF]


def _back(before: list[tuple[Tensor, torch.dtype]]) -> None:
    for tensor, dtype in before:
        tensor.data = tensor.data.to(dtype)


__all__ = ["halved", "precise", "weights_of"]
