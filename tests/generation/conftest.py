"""A random GPT-2 on texts and a random captioner on pictures, in float64."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from causalcircuit.query import Text
from tests.truth import tiny
from tests.truth.ask import Engine, engine
from tests.truth.say import row

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generation")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_gpt2(root / "left", padding_side="left")
    tiny.write_captioner(root / "captioner")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    tiny.write_scenes(root / "scenes.jsonl")
    return root


@pytest.fixture(scope="session", params=["gpt2", "left"])
def text(folder: Path, request: pytest.FixtureRequest) -> Engine:
    """GPT-2 on four prompts of different length, padded on the right or on the left."""
    return engine(folder / request.param, folder / "prompts.jsonl", {"input": row("clean")})


@pytest.fixture(scope="session")
def scenes(folder: Path) -> Engine:
    """The captioner on three scenes."""
    return engine(folder / "captioner", folder / "scenes.jsonl", {"prefix": Text("Mary gave"), "image": row("kitchen")})
