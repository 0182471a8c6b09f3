"""Vision-language models load without video tools, and their taps see all images of a batch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from causalcircuit.models import Pictures
from causalcircuit.models.processors import read_processor
from tests.families import all_families
from tests.families.vision_parts import pictures
from tests.multimodal.conftest import Load

all_families()
LANGUAGE = sorted(f.name for f in all_families() if f.kind == "vision-language")
# What Qwen3-VL adds to the stream after its first blocks makes sums there untrue.
ADDED = {"qwen3_vl": ("layer[0].mlp.out", "layer[1].mlp.out", "resid[1]", "resid[2]")}


@pytest.mark.parametrize("name", LANGUAGE)
def test_every_site_is_proven(name: str, loaded: Load) -> None:
    model = loaded(name, "float32")
    assert set(model.refused) <= set(ADDED.get(name, ()))
    assert model.sites.projector > 0
    assert {"vision.layer[0].q", "vision.layer[2].z", "projector.out"} <= set(model.taps)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_queries_are_seen_before_they_are_cut_into_images(
    name: str, loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pictures of different size: the tap's tensor is what the rotation gives, of both, in the order of items."""
    model = loaded(name)
    known = Pictures(model)
    feeds = []
    for i, picture in enumerate(pictures()):
        picture.save(tmp_path / f"{i}.png")
        feeds.append(known.feed(tmp_path / f"{i}.png"))
    module = sys.modules[type(model.hf).__module__]
    rotate, rotated = module.apply_rotary_pos_emb_vision, []

    def keeping(*args: Any, **kwargs: Any) -> Any:
        out = rotate(*args, **kwargs)
        rotated.append([x.clone() for x in out])
        return out

    monkeypatch.setattr(module, "apply_rotary_pos_emb_vision", keeping)
    seen: dict[str, torch.Tensor] = {}

    def keep(tensor: str, value: torch.Tensor) -> torch.Tensor:
        seen[tensor] = value.clone()
        return value

    batch = model.batch(feeds)
    model.forward(batch, ["vision.layer[1].q", "vision.layer[1].k"], keep)
    for tensor, value in zip(("q", "k"), rotated[1], strict=True):
        assert torch.equal(seen[f"vision.layer[1].{tensor}"], value.reshape(len(value), -1))
    stream = batch.streams["vision"]
    assert (stream.starts, stream.total) == ((0, 24), 60)  # 4×6 and 6×6 patches
    together = dict(seen)
    for start, feed in zip(stream.starts, feeds, strict=True):
        model.forward(model.batch([feed]), ["vision.layer[1].q"], keep)
        alone = seen["vision.layer[1].q"]
        assert torch.allclose(together["vision.layer[1].q"][start : start + len(alone)], alone, atol=1e-6)


@pytest.mark.parametrize("name", ["llava_next", "idefics3", "internvl"])
def test_tiles_of_a_batch_stay_apart(name: str, loaded: Load, tmp_path: Path) -> None:
    model = loaded(name)
    known = Pictures(model)
    feeds = []
    for i, picture in enumerate(pictures()):
        picture.save(tmp_path / f"{i}.png")
        feeds.append(known.feed(tmp_path / f"{i}.png"))
    seen: dict[str, torch.Tensor] = {}

    def keep(tensor: str, value: torch.Tensor) -> torch.Tensor:
        seen[tensor] = value.clone()
        return value

    wanted = ["vision.layer[1].z", "projector.out"]
    batch = model.batch(feeds)
    model.forward(batch, wanted, keep)
    together = dict(seen)
    for i, feed in enumerate(feeds):
        model.forward(model.batch([feed]), wanted, keep)
        for tensor, stand in zip(wanted, ("vision", "projector"), strict=True):
            start = batch.streams[stand].starts[i]
            assert torch.allclose(together[tensor][start : start + len(seen[tensor])], seen[tensor], atol=1e-6)


def test_a_tensor_of_another_length_is_told(loaded: Load) -> None:
    """A model that sees fewer places than were counted (a dropped tile) must not be read at the wrong ones."""
    model = loaded("idefics3")
    feed = model.probe.one
    pixels = feed.media["pixel_values"].clone()
    pixels[0, 1] = 0  # Idefics3 drops tiles of zeros before its tower
    batch = model.batch([feed])
    batch.keywords["pixel_values"] = pixels
    with pytest.raises((RuntimeError, ValueError), match=r"expected|match"):
        model.forward(batch, ["vision.layer[0].z"], lambda _, x: x)


def test_processors_need_no_video_tools(folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from causalcircuit.models import processors

    monkeypatch.setattr(processors, "is_torchvision_available", lambda: False)
    wants = frozenset({"text", "image", "both"})
    for name in ("qwen2_vl", "internvl", "smolvlm"):
        made = read_processor(folder(name), wants, {"local_files_only": True})
        assert getattr(made, "video_processor", None) is None
        assert type(made.image_processor).__name__.endswith("Pil")
    module = sys.modules["transformers.models.smolvlm.processing_smolvlm"]
    assert module.num2words is None or module.num2words.__module__ == "num2words"
