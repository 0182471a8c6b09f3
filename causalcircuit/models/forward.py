"""Batches of rows of different length, and the keywords that a model's forward takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows padded to one length.

    Attributes:
        ids: [rows, positions] token numbers, or `None` for a model without text.
        mask: [rows, positions] 1 for tokens, 0 for padding.
        positions: [rows, positions] the place of each token in its own row.
        pixels: [rows, channels, height, width], or `None`.
        left: padding before each row's first token: the shift from a row's own positions.
    """

    ids: Tensor | None
    mask: Tensor | None
    positions: Tensor | None
    pixels: Tensor | None
    left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Which keywords a model's forward really takes.

    Unknown keywords are silently ignored by every class, so nothing is passed that no signature names.
    """

    prefix: str
    position_ids: bool
    pixels: bool


def signature_of(hf: nn.Module) -> Signature:
    """Read the signature of a model's forward."""
    names = inspect.signature(hf.forward).parameters
    prefix = "decoder_" if "decoder_input_ids" in names else ""
    positions = f"{prefix}position_ids" in names
    inner = getattr(hf, "decoder", None)
    if prefix and not positions and isinstance(inner, nn.Module):
        # Encoder-decoder shells hand `decoder_…` keywords to their decoder with the prefix taken off.
        positions = "position_ids" in inspect.signature(inner.forward).parameters
    return Signature(prefix, positions, "pixel_values" in names)


def collate(
    rows: Sequence[Sequence[int]] | None,
    pixels: Tensor | None,
    side: Literal["left", "right"],
    pad: int,
    device: torch.device | str,
) -> Batch:
    """Pad rows of token numbers on one side; padding is masked and never counted in positions."""
    if rows is None:
        n = 0 if pixels is None else len(pixels)
        return Batch(None, None, None, pixels, (0,) * n)
    length = max(len(r) for r in rows)
    gaps = [length - len(r) for r in rows]
    left = tuple(g if side == "left" else 0 for g in gaps)
    ids = torch.full((len(rows), length), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    positions = torch.zeros_like(ids)
    for i, (row, start) in enumerate(zip(rows, left, strict=True)):
        ids[i, start : start + len(row)] = torch.tensor(row)
        mask[i, start : start + len(row)] = 1
        positions[i, start : start + len(row)] = torch.arange(len(row))
    return Batch(ids.to(device), mask.to(device), positions.to(device), pixels, left)


def run(hf: nn.Module, takes: Signature, batch: Batch) -> Tensor:
    """One forward pass; returns the logits [rows, positions, vocabulary]."""
    keywords: dict[str, Any] = {"use_cache": False}
    if batch.ids is not None:
        keywords[f"{takes.prefix}input_ids"] = batch.ids
        keywords[f"{takes.prefix}attention_mask"] = batch.mask
        if takes.position_ids:
            keywords[f"{takes.prefix}position_ids"] = batch.positions
    if takes.pixels and batch.pixels is not None:
        keywords["pixel_values"] = batch.pixels
    logits: Tensor = hf(**keywords).logits
    return logits
