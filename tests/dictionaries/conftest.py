"""A random GPT-2 in float64, prompts, and dictionaries of hand-set weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from causalcircuit.query import render
from causalcircuit.runs import check_text
from causalcircuit.runs.execute import Runner
from tests.truth import tiny

torch.set_num_threads(1)
WIDTH = 24
HEAD = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
"""
Ask = Callable[[str], list[NDArray[np.float64]]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dictionaries")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    return root


@pytest.fixture(scope="session")
def hf(folder: Path) -> GPT2LMHeadModel:
    """The same model, without any of our code."""
    return GPT2LMHeadModel.from_pretrained(folder / "gpt2", dtype=torch.float64).eval()


@pytest.fixture(scope="session")
def prompts(folder: Path) -> list[Tensor]:
    words = tiny.tokenizer()
    return [torch.tensor([words(p["clean"])["input_ids"]]) for p in tiny.PROMPTS]


@pytest.fixture(scope="session")
def ask(folder: Path) -> Ask:
    """The values on each row of what is asked by one `estimate` of expectations."""
    runner = Runner()

    def values(text: str) -> list[NDArray[np.float64]]:
        program = check_text(HEAD + text, folder=folder)
        result = runner.run(program)
        cells = {render(c.readout) + render(c.world): v for c, v in result.tables["d"].cells.items()}
        queries = [q.expr for command in program.commands for q in command.queries]
        return [cells[render(q.value) + render(q.world)] for q in queries]

    return values


def save(path: Path, *, metadata: dict[str, str] | None = None, **tensors: Tensor) -> dict[str, Tensor]:
    """A file of a dictionary; its tensors come back in float64."""
    made = {name.replace("__", "."): t.contiguous() for name, t in tensors.items()}
    save_file(made, path, metadata=metadata)
    return {name: t.double() for name, t in made.items()}


def drawn(features: int, seed: int, reads: int = WIDTH) -> dict[str, Tensor]:
    """A random encoder, in float64 so that nothing is rounded on the way."""
    g = torch.Generator().manual_seed(seed)
    return {
        "W_enc": torch.randn(reads, features, generator=g, dtype=torch.float64) / reads**0.5,
        "b_enc": 0.1 * torch.randn(features, generator=g, dtype=torch.float64),
    }


def fitted(w: dict[str, Tensor], encode: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """The decoder that says best what y is: ridge regression on the features of x, [places, components] each."""
    w["b_dec"] = y.mean(0)
    f = encode(x[None])[0]
    w["W_dec"] = torch.linalg.solve(f.T @ f + torch.eye(f.shape[1], dtype=torch.float64), f.T @ (y - w["b_dec"]))
    return w


def passed(hf: GPT2LMHeadModel, prompts: list[Tensor], module: nn.Module, side: str) -> Tensor:
    """[places, components] what a module is given or gives, over all prompts."""
    seen: list[Tensor] = []

    def hook(_module: object, args: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        value = args[0] if side == "in" else output[0] if isinstance(output, tuple) else output
        seen.append(value[0].clone())

    handle = module.register_forward_hook(hook)
    with torch.no_grad():
        for ids in prompts:
            hf(input_ids=ids, use_cache=False)
    handle.remove()
    return torch.cat(seen)
