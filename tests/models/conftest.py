"""Random models of two layers, written once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from causalcircuit.models import LoadedModel, load
from causalcircuit.query import ModelRef
from tests.truth import tiny

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the models `gpt2` and `captioner`."""
    root = tmp_path_factory.mktemp("models")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_captioner(root / "captioner")
    tiny.write_scenes(root / "scenes.jsonl")
    return root


@pytest.fixture(scope="session")
def gpt2(folder: Path) -> LoadedModel:
    return load(ModelRef("m", "./gpt2", folder / "gpt2", dtype="float64"))


@pytest.fixture(scope="session")
def captioner(folder: Path) -> LoadedModel:
    return load(ModelRef("m", "./captioner", folder / "captioner", dtype="float64"))
