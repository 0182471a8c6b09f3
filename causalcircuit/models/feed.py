"""What a pass is fed: items collated into one batch, and where each item's positions lie in the tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

import torch
from torch import Tensor

from causalcircuit.models.signature import Signature
from causalcircuit.query import SiteTable, Tower

Side = Literal["left", "right"]
_SEEN = ("pixel_values", "flattened_patches", "input_features", "input_values", "numbers")


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One item of a batch.

    Attributes:
        ids: tokens of the text that the logits are read from; `None` for a model without such a text.
        source: tokens of an encoder's text, for a model that reads one and writes another.
        media: what the model's processor made of an image or a sound, by keyword of `forward`. The first axis counts
            what belongs to this item (images, tiles, patches), so items are joined along it.
        marks: keywords with one number a token, such as which tokens stand for an image.
        pictured: the places of the tokens that stand for an image.
    """

    ids: Sequence[int] | None = None
    source: Sequence[int] | None = None
    media: Mapping[str, Tensor] = field(default_factory=dict)
    marks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pictured: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the positions of each item lie in the tensors of one tower, flattened to [places, components].

    Attributes:
        starts: the place of each item's first own position. columns: the same along its own row of keys (padding).
        total: all places, where they are known before the pass: those of images and sounds.
        length: of a padded text.
    """

    starts: tuple[int, ...]
    columns: tuple[int, ...]
    total: int | None = None
    length: int = 0

    def place(self, item: int, position: int) -> int:
        """The flat place of an item's position."""
        return self.starts[item] + position

    def column(self, item: int, position: int) -> int:
        """Where that position stands among the keys that the item's queries see."""
        return self.columns[item] + position


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Items as keywords of `forward`.

    Attributes:
        keywords: tensors on the model's device. size: number of items.
        streams: where positions lie, by the name of what they stand on: a tower, or `projector`.
        left: the shift from each item's own text positions to those of the padded batch.
    """

    keywords: dict[str, Tensor]
    size: int
    streams: Mapping[str, Stream]
    left: tuple[int, ...]


def collate(
    feeds: Sequence[Feed],
    table: SiteTable,
    takes: Signature,
    side: Side,
    pad: int,
    device: torch.device | str,
) -> Batch:
    """Join items; shorter texts are padded on one side, masked, and not counted in positions."""
    keywords: dict[str, Tensor] = {}
    left: tuple[int, ...] = ()
    source_left: tuple[int, ...] = ()
    length = source_length = 0
    if feeds and feeds[0].ids is not None:
        length, left = _text(takes.text, [f.ids or () for f in feeds], takes, side, pad, keywords)
        for name in feeds[0].marks:
            keywords[name] = _aligned([f.marks[name] for f in feeds], length, left, 0)
    if feeds and feeds[0].source is not None:
        source_length, source_left = _text(takes.source, [f.source or () for f in feeds], takes, "right", pad, keywords)
    for name in feeds[0].media if feeds else ():
        if name in takes.names:
            keywords[name] = _joined([f.media[name] for f in feeds])
    streams: dict[str, Stream] = {}
    for tower in table.towers:
        if tower.modality != "text":
            streams[tower.name] = _counted([extent(tower, f.media) for f in feeds])
        elif tower.channel == "input" and "prefix" in table.channels:
            streams[tower.name] = _padded(source_length, source_left)
        else:
            streams[tower.name] = _padded(length, left)
    if table.projector:
        streams["projector"] = _counted([projected(table, f) for f in feeds])
    return Batch({k: v.to(device) for k, v in keywords.items()}, len(feeds), streams, left)


def _text(
    prefix: str, rows: list[Sequence[int]], takes: Signature, side: Side, pad: int, keywords: dict[str, Tensor]
) -> tuple[int, tuple[int, ...]]:
    length = max(len(r) for r in rows)
    left = tuple(length - len(r) if side == "left" else 0 for r in rows)
    keywords[f"{prefix}input_ids"] = _aligned(rows, length, left, pad)
    if f"{prefix}attention_mask" in takes.names:
        keywords[f"{prefix}attention_mask"] = _aligned([[1] * len(r) for r in rows], length, left, 0)
    if prefix == takes.text and takes.position_ids:
        keywords[f"{prefix}position_ids"] = _aligned([range(len(r)) for r in rows], length, left, 0)
    return length, left


def _aligned(rows: Sequence[Sequence[int]], length: int, left: Sequence[int], fill: int) -> Tensor:
    out = torch.full((len(rows), length), fill, dtype=torch.long)
    for i, (row, start) in enumerate(zip(rows, left, strict=True)):
        out[i, start : start + len(row)] = torch.tensor(row, dtype=torch.long)
    return out


def _joined(parts: list[Tensor]) -> Tensor:
    """Along the first axis; the others are filled with zeros where items differ (tiles, padded images)."""
    if len({p.shape[1:] for p in parts}) > 1:
        sizes = [max(p.shape[d] for p in parts) for d in range(1, parts[0].ndim)]
        parts = [
            torch.nn.functional.pad(p, [n for d in reversed(range(1, p.ndim)) for n in (0, sizes[d - 1] - p.shape[d])])
            for p in parts
        ]
    return torch.cat(parts)


def _padded(length: int, left: tuple[int, ...]) -> Stream:
    return Stream(tuple(i * length + shift for i, shift in enumerate(left)), left, length=length)


def _counted(sizes: Sequence[int]) -> Stream:
    """Items one after another, each with so many positions."""
    starts = [0, *accumulate(sizes)]
    return Stream(tuple(starts[:-1]), (0,) * len(sizes), starts[-1])


def extent(tower: Tower, media: Mapping[str, Tensor]) -> int:
    """How many positions an item has in an image or sound tower."""
    return parts(media) * (tower.extent or 1)


def projected(table: SiteTable, feed: Feed) -> int:
    """How many positions an item has where its image becomes tokens of a language model."""
    return parts(feed.media) * table.projected or len(feed.pictured)


def parts(media: Mapping[str, Tensor]) -> int:
    """How many parts a tower is given an item in: images, tiles, sounds, or packed patches."""
    seen = next((media[n] for n in _SEEN if n in media), None)
    if seen is None:
        return 0
    return math.prod(seen.shape[:-3]) if seen.ndim > 3 else len(seen)


def keywords_of(batch: Batch, takes: Signature) -> dict[str, Any]:
    """All that `forward` is called with."""
    fixed: dict[str, Any] = {"use_cache": False} if "use_cache" in takes.names else {}
    return {**fixed, **batch.keywords}
