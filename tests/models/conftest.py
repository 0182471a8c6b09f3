"""Random models of two layers, written once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from causalcircuit.models import LoadedModel, load
from causalcircuit.query import ModelRef
from causalcircuit.query.program import DType
from tests.families import folder_of
from tests.families.llama_parts import SIZES
from tests.families.parts import save
from tests.families.parts import tokenizer as words
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
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedModel]:
    """A tiny model of a family by name: `family("llama", "sdpa", dtype="float32")`."""

    @cache
    def made(name: str, attention: Literal["sdpa", "eager"] = "eager", dtype: DType = "float64") -> LoadedModel:
        folder = folder_of(name, tmp_path_factory)
        return load(ModelRef("m", f"./{name}", folder, dtype=dtype), attention)

    return made


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A Llama of six layers, so that most are neither first, middle nor last."""
    folder = tmp_path_factory.mktemp("deep")
    sizes = {**SIZES, "num_hidden_layers": 6, "hidden_size": 32, "intermediate_size": 40, "head_dim": 8}
    save(folder, LlamaForCausalLM(LlamaConfig(**sizes)), words("<bos> $A"))
    return load(ModelRef("m", "./deep", folder, dtype="float64"), "eager")


@pytest.fixture(scope="session")
def gpt2(folder: Path) -> LoadedModel:
    return load(ModelRef("m", "./gpt2", folder / "gpt2", dtype="float64"))


@pytest.fixture(scope="session")
def captioner(folder: Path) -> LoadedModel:
    return load(ModelRef("m", "./captioner", folder / "captioner", dtype="float64"))
