"""A small made-up input that every model can be run on when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalcircuit.query import SiteTable


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Token rows and images; `even` rows have one length, for passes without padding."""

    rows: list[list[int]] | None
    even: list[list[int]] | None
    pixels: Tensor | None


def make_probe(
    config: Mapping[str, Any], table: SiteTable, vocabulary: int, dtype: torch.dtype, device: torch.device
) -> Probe:
    """Two rows, of 5 and 3 tokens, and two images of noise.

    The text is never as long as an image has positions, so that a stream shows which tower it comes from.
    """
    generator = torch.Generator().manual_seed(0)
    rows: list[list[int]] | None = None
    even: list[list[int]] | None = None
    pixels: Tensor | None = None
    length = 5
    for tower in table.towers:
        if tower.patches is not None:
            image = config.get("encoder", config)
            size = image["image_size"]
            high, wide = size if isinstance(size, list | tuple) else (size, size)
            shape = (2, int(image.get("num_channels", 3)), int(high), int(wide))
            pixels = torch.randn(shape, generator=generator).to(device, dtype)
            length += tower.cls + tower.patches[0] * tower.patches[1] == length
    if table.channels != ("image",):
        even = torch.randint(vocabulary, (2, length), generator=generator).tolist()
        rows = [even[0], even[1][:3]]
    return Probe(rows, even, pixels)
