"""Images and their masks, through the model's own processor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from causalcircuit.models.feed import Feed, extent, projected
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.multimodal import illustrate, image_feed
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import refusing
from causalcircuit.models.regions import Regions, regions_of
from causalcircuit.models.sounds import heard
from causalcircuit.query import Address
from causalcircuit.rows.decoding import PictureError, read_picture

_KEPT = 16
_T = TypeVar("_T")


def check_image(path: Path) -> tuple[int, int]:
    """The size of an image file, after making sure that all of it can be read.

    Raises:
        RowError: CQ451.
    """
    return open_image(path).size


def media(model: LoadedModel, path: Path) -> dict[str, Tensor]:
    """An image or a sound as keywords of `forward`; the first axis counts what belongs to it.

    Raises:
        RowError: CQ451 and CQ573 a file that cannot be read, CQ571 an image that the processor refuses.
    """
    if "audio" in model.sites.channels:
        return heard(model, path)
    return dict(_fed(model, open_image(path).convert("RGB"), model.dtype).media)


def _fed(model: LoadedModel, picture: Image.Image, dtype: torch.dtype, **options: Any) -> Feed:
    with refusing(model):
        if model.sites.projector:
            return illustrate(model.processor, picture, "", dtype, model.takes, **options).feed
        return Feed(media=image_feed(model.processor, picture, dtype, **options))


class Pictures:
    """Where the parts of images are for one model; what is worked out is kept."""

    def __init__(self, model: LoadedModel) -> None:
        """Know nothing of any image yet."""
        self._model = model
        self._regions: dict[Hashable, Regions] = {}
        self._empty: dict[Hashable, tuple[Tensor, Tensor]] = {}
        self._shapes: dict[Path, tuple[Hashable, dict[str, int]]] = {}

    def shown(self, stand: str, image: Path) -> tuple[int, ...]:
        """The places of the patches of an image, in the order in which its processor lists them.

        Args:
            stand: what places count on: the name of an image tower, or `projector`.
            image: a readable file.

        Raises:
            RowError: CQ570 patches that overlap, CQ571 an image that the processor refuses.
        """
        shares = self._shares(stand, image, None)
        return tuple(p for p in self._of(image).shown(stand) if shares[p] is not None)

    def count(self, stand: str, image: Path) -> int:
        """How many positions an image has, all of them counted.

        Args:
            stand, image: as in `shown`.

        Raises:
            RowError: CQ571.
        """
        return self._shape(image)[1][stand]

    def inside(self, stand: str, mask: Path, image: Path) -> tuple[bool | None, ...]:
        """For each place whether at least half of its area lies inside the mask; `None` for one without a pixel.

        A mask is an image of the size of its picture; pixels of 128 and more (of 255) are inside. It takes the way of
        the picture through the model's own processor: the same resizing, cropping and cutting.

        Args:
            stand: as in `shown`, or `tokens`: then places count the image tokens of a prompt.
            mask, image: files.

        Raises:
            RowError: CQ451 unreadable, CQ452 another size than the image, CQ570 and CQ571.
        """
        drawn, size = open_image(mask).convert("L"), open_image(image).size
        if drawn.size != size:
            raise RowError(
                "CQ452",
                "a mask has another size than its image",
                f"{mask.name} is {drawn.size[0]}×{drawn.size[1]}, {image.name} {size[0]}×{size[1]}",
                "draw the mask on the image that the world feeds",
            )
        shares = self._shares(stand, image, drawn.point(lambda v: 255 if v >= 128 else 0))
        # A patch cut exactly in half counts as inside, whatever the last bit of the resizing says.
        return tuple(None if s is None else s >= 0.5 - 1e-6 for s in shares)

    def stand(self, address: Address) -> str:
        """What the positions of a site stand on: a tower's name, or `projector`."""
        return self._model.sites.info(address).stand

    def seen(self, stand: str, image: Path) -> tuple[Image.Image, tuple[int, int], int] | None:
        """An image as its tower sees it, rows and columns of its patches, and the position of the first of them.

        Args:
            stand, image: as in `shown`.

        Returns:
            `None` where it is cut into several parts, or its patches are no grid in the order of positions.

        Raises:
            RowError: CQ570, CQ571.
        """
        owners = self._of(image).owners[stand]
        if owners.ndim != 4 or len(owners) != 1:
            return None
        cut = _grid(owners[0, 0])
        if cut is None:
            return None
        (high, wide), grid, first = cut
        numbers = _numbers(_fed(self._model, open_image(image).convert("RGB"), torch.float64, **_PLAIN))[0]
        if len(numbers) != 3:
            return None
        bytes_ = (numbers * (1 if float(numbers.max()) > 1.5 else 255)).round().clamp(0, 255)
        pixels = bytes_[:, :high, :wide].to(torch.uint8).permute(1, 2, 0).contiguous()
        return Image.fromarray(pixels.cpu().numpy()), grid, first

    def _shares(self, stand: str, image: Path, drawn: Image.Image | None) -> tuple[float | None, ...]:
        """The share of each place in a black and white picture; in all of the picture where none is drawn."""
        size = open_image(image).size
        black, white = _kept(self._empty, size, lambda: (self._pixels(size, "black"), self._pixels(size, "white")))
        made = white if drawn is None else _numbers(_fed(self._model, drawn.convert("RGB"), torch.float64, **_PLAIN))
        moved = torch.where(white == black, torch.nan, (made - black) / (white - black))
        return self._of(image).shares(stand, moved)

    def _pixels(self, size: tuple[int, int], colour: str) -> Tensor:
        return _numbers(_fed(self._model, Image.new("RGB", size, colour), torch.float64, **_PLAIN))

    def _of(self, image: Path) -> Regions:
        return _kept(self._regions, self._shape(image)[0], lambda: regions_of(self._model, self.feed(image)))

    def _shape(self, image: Path) -> tuple[Hashable, dict[str, int]]:
        """What images that are cut alike have in common, and how many positions this one has on what."""
        if image not in self._shapes:
            feed, table = self.feed(image), self._model.sites
            counts = {t.name: extent(t, feed.media) for t in table.towers if t.modality == "image"}
            counts |= {"projector": projected(table, feed)} if table.projector else {}
            # Tiles, windows and padding show in the numbers beside the pixels.
            key = tuple((n, x.shape, None if x.is_floating_point() else _digest(x)) for n, x in feed.media.items())
            self._shapes[image] = key, counts
        return self._shapes[image]

    def feed(self, image: Path) -> Feed:
        """An image as an item of a batch: with some text, where the model reads one beside its images."""
        feed = _fed(self._model, open_image(image).convert("RGB"), self._model.dtype)
        if feed.ids is not None:
            return feed
        one = self._model.probe.one
        return Feed(one.ids, one.source, feed.media)


_PLAIN = {"do_normalize": False}
"""Normalising by the colours of the picture itself would move the numbers of a mask."""


def _grid(owner: Tensor) -> tuple[tuple[int, int], tuple[int, int], int] | None:
    """Of a map [height, width] from pixels to positions the size that has some, the grid, and its first position."""
    own = owner >= 0
    high, wide = int(own[:, 0].sum()), int(own[0].sum())
    if not high or not wide or not bool(own[:high, :wide].all()) or bool(own[high:].any() | own[:, wide:].any()):
        return None
    used = owner[:high, :wide].long()
    row, column = ((x.diff() != 0).cumsum(0) for x in (used[:, 0], used[0]))
    row, column = (torch.nn.functional.pad(x, (1, 0)) for x in (row, column))
    grid, first = (int(row[-1]) + 1, int(column[-1]) + 1), int(used[0, 0])
    whole = bool((used == first + row[:, None] * grid[1] + column).all())
    return ((high, wide), grid, first) if whole else None


def _digest(x: Tensor) -> bytes:
    return hashlib.sha256(x.cpu().numpy().tobytes()).digest()


def _numbers(feed: Feed) -> Tensor:
    return next(feed.media[n] for n in ("pixel_values", "flattened_patches") if n in feed.media)


def _kept(known: dict[Hashable, _T], key: Hashable, make: Callable[[], _T]) -> _T:
    if key not in known:
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        known[key] = make()
    return known[key]


def open_image(path: Path) -> Image.Image:
    """A picture in memory, upright.

    Raises:
        RowError: CQ451.
    """
    if not os.path.isfile(path):  # unlike `Path.is_file`, it forgives a name that is too long for a file
        raise RowError(
            "CQ451", "an image file does not exist", str(path), "paths in a column are relative to the data file"
        )
    return _decoded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _decoded(path: Path, stamp: int) -> Image.Image:
    """A picture in memory; `stamp` makes a file that was rewritten be read again."""
    try:
        return read_picture(path)
    except PictureError as problem:
        help = "write the image anew: one picture, with 8 bits a channel"
        raise RowError("CQ451", "an image file cannot be read", f"{path.name}: {problem}", help) from None
