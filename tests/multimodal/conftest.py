"""Vision-language models as users load them, and rows with pictures and masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils import logging

from causalcircuit.models import LoadedModel, load
from causalcircuit.query import ModelRef
from tests.families import folder_of
from tests.families.vision_parts import pictures

torch.set_num_threads(1)
logging.disable_progress_bar()

Load = Callable[..., LoadedModel]
SAID = ("Mary gave the red ball to", "<image> the king took the ball and")
MASKS = ((1, 16, 47, 30), (16, 1, 39, 19))
"""Left, top, right, bottom of what is inside, in the landscape of 48×32 pixels and in the square of 40×40."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return lambda name: folder_of(name, tmp_path_factory)


@pytest.fixture(scope="session")
def loaded(folder: Callable[[str], Path]) -> Load:
    """A family's model through the real loader, once a session."""
    known: dict[tuple[str, str], LoadedModel] = {}

    def make(name: str, dtype: str = "float64", attention: str = "sdpa") -> LoadedModel:
        if (name, dtype) not in known:
            at = folder(name)
            known[name, dtype] = load(ModelRef("m", f"./{at.name}", at, dtype=dtype), attention)  # type: ignore[arg-type]
        return known[name, dtype]

    return make


def drawn(path: Path, size: tuple[int, int], box: tuple[int, int, int, int]) -> Path:
    """A mask that is white in a box."""
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(mask).save(path)
    return path


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows: `photo`, `mask`, `said`, `who`; the pictures differ in size and shape, the texts in length."""
    at = tmp_path_factory.mktemp("rows")
    lines = []
    for i, picture in enumerate(pictures()):
        picture.save(at / f"{i}.png")
        drawn(at / f"{i}_mask.png", picture.size, MASKS[i])
        lines.append({"photo": f"{i}.png", "mask": f"{i}_mask.png", "said": SAID[i], "who": ("John", "door")[i]})
    (at / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return at / "rows.jsonl"
