"""Which image tokens lie inside a mask, against the pixels that each family's tokens are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from causalcircuit.models import Pictures, RowError
from tests.families import all_families
from tests.families.vision_parts import BOXES, Box, pictures
from tests.multimodal.conftest import Load, drawn

all_families()
LANGUAGE = sorted(f.name for f in all_families() if f.kind == "vision-language")
SIZED = pytest.mark.parametrize("picture", pictures(), ids=lambda p: f"{p.width}x{p.height}")


def covered(token: Box, box: tuple[int, int, int, int]) -> float:
    """The share of a token's area inside a box, in pixels of the picture on disk."""
    left, top, right, bottom = token
    wide = max(0.0, min(right, box[2]) - max(left, box[0]))
    high = max(0.0, min(bottom, box[3]) - max(top, box[1]))
    return wide * high / ((right - left) * (bottom - top))


@SIZED
@pytest.mark.parametrize("name", LANGUAGE)
def test_tokens_inside_are_those_made_from_the_mask(
    name: str, picture: Image.Image, loaded: Load, tmp_path: Path
) -> None:
    pictures_of = Pictures(loaded(name))
    picture.save(tmp_path / "photo.png")
    tokens = BOXES[name](*picture.size)
    generator = np.random.default_rng(5)
    decided = 0
    for trial in range(6):
        left, right = np.sort(generator.choice(picture.width + 1, 2, replace=False)).tolist()
        top, bottom = np.sort(generator.choice(picture.height + 1, 2, replace=False)).tolist()
        box = (left, top, right, bottom)
        mask = drawn(tmp_path / f"{trial}.png", picture.size, box)
        found = pictures_of.inside("tokens", mask, tmp_path / "photo.png")
        assert len(found) == len(tokens)
        for token, inside in zip(tokens, found, strict=True):
            if token is None:
                assert inside is None  # a newline
                continue
            share = covered(token, box)
            # Resizing blurs edges: a share this near to one half may fall on either side.
            if abs(share - 0.5) > 0.06:
                assert inside is (share >= 0.5), (token, box)
                decided += 1
    assert decided > 0.8 * 6 * sum(t is not None for t in tokens)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "llava_next", "internvl", "vit", "dinov2", "deit", "clip", "blip"])
def test_patches_follow_their_pixels(name: str, loaded: Load, tmp_path: Path) -> None:
    """Each patch of the processor's picture, made lighter, moves the place that stands for it and no other."""
    model = loaded(name, attention="eager" if name == "blip" else "sdpa")
    tower = next(t for t in model.sites.towers if t.modality == "image")
    pictures()[0].save(tmp_path / "photo.png")
    known = Pictures(model)
    feed = known.feed(tmp_path / "photo.png")
    pixels = feed.media["pixel_values"]

    def stream(changed: torch.Tensor) -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def keep(_: str, value: torch.Tensor) -> torch.Tensor:
            seen.append(value.clone())
            return value

        item = replace(feed, media={**feed.media, "pixel_values": changed})
        model.forward(model.batch([item]), [f"{tower.prefix}resid[0]"], keep)
        return seen[0]

    plain = stream(pixels)
    expected = []
    for patch in _patches(pixels):
        moved = (stream(pixels + patch) != plain).any(-1).nonzero().flatten().tolist()
        assert len(moved) == 1
        inside = pixels[patch != 0].reshape(3, -1)
        if inside.std(-1).max() > 1e-6:  # else padding: the pictures are noise
            expected += moved
    assert known.shown(tower.name, tmp_path / "photo.png") == tuple(expected)


def _patches(pixels: torch.Tensor) -> Iterator[torch.Tensor]:
    """Ones at each patch: packed, a line each; else squares of 7×7, row by row, tile by tile."""
    if pixels.ndim == 2:
        for i in range(len(pixels)):
            yield torch.nn.functional.one_hot(torch.tensor(i), len(pixels)).to(pixels)[:, None].expand_as(pixels)
        return
    tiles = pixels.reshape(-1, *pixels.shape[-3:])
    for tile in range(len(tiles)):
        for row in range(0, 28, 7):
            for column in range(0, 28, 7):
                one = torch.zeros_like(tiles)
                one[tile, :, row : row + 7, column : column + 7] = 1.0
                yield one.reshape(pixels.shape)


def test_padding_is_no_part_of_the_image(loaded: Load, tmp_path: Path) -> None:
    """Pix2Struct fills up the patches that an image does not need."""
    model = loaded("pix2struct")
    picture = Image.new("RGB", (60, 20), "gray")
    picture.save(tmp_path / "photo.png")
    known = Pictures(model)
    made = known.feed(tmp_path / "photo.png").media["flattened_patches"][0]
    real = [i for i, line in enumerate(made) if line[0] > 0]  # rows count from 1, padding has 0
    assert 0 < len(real) < len(made)
    assert list(known.shown("encoder", tmp_path / "photo.png")) == real
    mask = drawn(tmp_path / "mask.png", picture.size, (0, 0, 60, 20))
    found = known.inside("encoder", mask, tmp_path / "photo.png")
    assert [i for i, x in enumerate(found) if x] == real
    assert all(x is None for i, x in enumerate(found) if i not in real)


def test_overlapping_patches_have_no_regions(loaded: Load, tmp_path: Path) -> None:
    model = loaded("vit", "float32")
    at = next(m for m in model.hf.modules() if isinstance(m, nn.Conv2d))
    old = at.weight, at.kernel_size, at.padding
    pictures()[0].save(tmp_path / "photo.png")
    try:
        at.weight = nn.Parameter(torch.randn(at.out_channels, 3, 9, 9), requires_grad=False)
        at.kernel_size, at.padding = (9, 9), (1, 1)
        with pytest.raises(RowError) as caught:
            Pictures(model).shown("", tmp_path / "photo.png")
    finally:
        at.weight, at.kernel_size, at.padding = old
    assert caught.value.code == "CQ570"


def test_a_projector_that_sums_the_image_up_has_no_regions(loaded: Load, tmp_path: Path) -> None:
    model = loaded("llava", "float32")
    pictures()[0].save(tmp_path / "photo.png")
    mask = drawn(tmp_path / "mask.png", (48, 32), (0, 0, 20, 20))
    projector = model.hf.get_submodule("model.multi_modal_projector")
    handle = projector.register_forward_hook(lambda _m, _a, out: out + out.mean(1, keepdim=True))
    try:
        with pytest.raises(RowError) as caught:
            Pictures(model).inside("tokens", mask, tmp_path / "photo.png")
    finally:
        handle.remove()
    assert caught.value.code == "CQ570"
