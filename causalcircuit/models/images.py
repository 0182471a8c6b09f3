"""Images and their masks, through the model's own processor."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.multimodal import image_feed
from causalcircuit.models.problem import RowError
from causalcircuit.query import Tower
from causalcircuit.rows.decoding import PictureError, read_picture


def check_image(path: Path) -> tuple[int, int]:
    """The size of an image file, after making sure that all of it can be read.

    Raises:
        RowError: CQ451.
    """
    return _open(path).size


def media(model: LoadedModel, path: Path) -> dict[str, Tensor]:
    """An image as the model sees it: keywords of `forward`; the first axis counts what belongs to it."""
    return image_feed(model.processor, _open(path).convert("RGB"), model.dtype)


def patches_inside(model: LoadedModel, tower: Tower, mask: Path, image: Path) -> tuple[bool, ...]:
    """For each patch, in order, whether at least half of its area lies inside the mask.

    A mask is an image of the size of its picture; pixels of 128 and more (of 255) are inside. It takes the way of
    the picture: the same resizing and cropping by the model's own processor, without the normalisation of colours.

    Raises:
        RowError: CQ451 unreadable, CQ452 another size than the image.
    """
    drawn, size = _open(mask).convert("L"), _open(image).size
    if drawn.size != size:
        raise RowError(
            "CQ452",
            "a mask has another size than its image",
            f"{mask.name} is {drawn.size[0]}×{drawn.size[1]}, {image.name} {size[0]}×{size[1]}",
            "draw the mask on the image that the world feeds",
        )
    return _coverage(model, tower, drawn.point(lambda v: 255 if v >= 128 else 0))


def _coverage(model: LoadedModel, tower: Tower, mask: Image.Image) -> tuple[bool, ...]:
    flat: dict[str, Any] = {"do_normalize": False, "do_rescale": True, "rescale_factor": 1 / 255}
    seen = model.processor(images=mask.convert("RGB"), return_tensors="pt", **flat)["pixel_values"][0]
    area = torch.as_tensor(seen, dtype=torch.float64)[0]
    rows, columns = tower.patches or (1, 1)
    high, wide = area.shape[0] // rows, area.shape[1] // columns
    share = area[: rows * high, : columns * wide].reshape(rows, high, columns, wide).mean((1, 3))
    # A patch cut exactly in half counts as inside, whatever the last bit of the resizing says.
    return tuple((share >= 0.5 - 1e-6).flatten().tolist())


def _open(path: Path) -> Image.Image:
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
