"""Models and data of this folder, written once a session; the brute force over each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from tests.truth import handmade, tiny
from tests.truth.brute import Brute
from tests.truth.say import row

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `handmade`, `gpt2`, `captioner` with models; `prompts.jsonl`, `scenes.jsonl` with data."""
    root = tmp_path_factory.mktemp("truth")
    handmade.write_handmade(root / "handmade")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_captioner(root / "captioner")
    tiny.write_prompts(root / "prompts.jsonl")
    tiny.write_scenes(root / "scenes.jsonl")
    return root


@pytest.fixture(scope="session")
def handmade_brute(folder: Path) -> Brute:
    """The brute force over the model set by hand."""
    model = GPT2LMHeadModel.from_pretrained(folder / "handmade", dtype=torch.float64).eval()
    words = AutoTokenizer.from_pretrained(folder / "handmade")
    return Brute(model, words, None, handmade.ROWS, {"input": row("clean")})
