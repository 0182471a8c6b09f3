"""A random GPT-2 and its data, a random captioner and its scenes."""

from __future__ import annotations

from collections.abc import Mapping
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
    root = tmp_path_factory.mktemp("engine")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_captioner(root / "captioner")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    tiny.write_scenes(root / "scenes.jsonl")
    return root


@pytest.fixture(scope="session")
def text(folder: Path) -> Engine:
    """GPT-2 in float64 on four prompts of different length."""
    return engine(folder / "gpt2", folder / "prompts.jsonl", {"input": row("clean")})


@pytest.fixture(scope="session")
def scenes(folder: Path) -> Engine:
    """The captioner in float64 on three scenes, with no factual image."""
    feeds: Mapping[str, Text] = {"prefix": Text("Mary gave")}
    return engine(folder / "captioner", folder / "scenes.jsonl", feeds)
