"""Models and data of this folder, written once a session; the brute force over each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, AutoTokenizer, GPT2LMHeadModel, VisionEncoderDecoderModel

from tests.truth import handmade, tiny
from tests.truth.brute import Brute
from tests.truth.say import row

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models in `handmade`, `gpt2`, `captioner`; their data in `handmade.jsonl`, `prompts.jsonl`, `scenes.jsonl`."""
    root = tmp_path_factory.mktemp("truth")
    handmade.write_handmade(root / "handmade")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_captioner(root / "captioner")
    tiny.write_lines(root / "handmade.jsonl", handmade.ROWS)
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    tiny.write_scenes(root / "scenes.jsonl")
    return root


def _gpt2(folder: Path, rows: list[dict]) -> Brute:
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval()
    return Brute(model, AutoTokenizer.from_pretrained(folder), None, rows, {"input": row("clean")})


@pytest.fixture(scope="session")
def handmade_brute(folder: Path) -> Brute:
    """The brute force over the model set by hand."""
    return _gpt2(folder / "handmade", handmade.ROWS)


@pytest.fixture(scope="session")
def gpt2(folder: Path) -> Brute:
    """The brute force over the random GPT-2."""
    return _gpt2(folder / "gpt2", tiny.PROMPTS)


@pytest.fixture(scope="session")
def captioner(folder: Path) -> Brute:
    """The brute force over the random captioner."""
    model = VisionEncoderDecoderModel.from_pretrained(folder / "captioner", dtype=torch.float64).eval()
    words, pictures = (kind.from_pretrained(folder / "captioner") for kind in (AutoTokenizer, AutoImageProcessor))
    rows = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    return Brute(model, words, pictures, rows, {"image": row("kitchen"), "prefix": row("start")}, folder)
