"""GPT-2 of random weights in float64 on a few prompts, and the brute force over the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.query import Cell, OutcomeTable
from tests.truth import tiny
from tests.truth.ask import Engine, engine
from tests.truth.say import row
from tests.values.wider import Wider

torch.set_num_threads(1)

ROWS = [{**p, "group": "ab"[k % 2], "pair": k // 2} for k, p in enumerate([*tiny.PROMPTS, *tiny.PROMPTS[:2]])]
ROWS[4] = {**ROWS[4], "clean": "Tom and Anna had a drink, Anna saw", "answer": " John"}
ROWS[5] = {**ROWS[5], "clean": "The park saw Mary. Tom gave it to", "answer": " Mary"}


@dataclass(frozen=True)
class Both:
    """The engine and the brute force over the same rows."""

    engine: Engine
    brute: Wider

    def table(self, *cells: Cell, **options: Any) -> OutcomeTable:
        made = self.engine
        return execute(prepare(make_plan(cells, made.data), {"m": made.model}, made.data), **options)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("values")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "rows.jsonl", ROWS)
    return root


def both(folder: Path, weight: str | None = None) -> Both:
    made = engine(folder / "gpt2", folder / "rows.jsonl", {"input": row("clean")}, weight=weight)
    model = GPT2LMHeadModel.from_pretrained(folder / "gpt2", dtype=torch.float64).eval()
    tokens = AutoTokenizer.from_pretrained(folder / "gpt2")
    return Both(made, Wider(model, tokens, None, ROWS, {"input": row("clean")}, weight=weight))


@pytest.fixture(scope="session")
def plain(folder: Path) -> Both:
    return both(folder)


@pytest.fixture(scope="session")
def weighted(folder: Path) -> Both:
    return both(folder, "share")
