"""A tiny GPT-2 and a tiny Llama with their passes by hand, and float64 throughout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import Cell, DataRef, ModelRef, Readout
from causalcircuit.rows import Dataset, load
from tests.families import folder_of
from tests.truth import tiny
from tests.truth.say import M, row
from tests.wires.decoders import GPT2, Llama
from tests.wires.hand import Hand, Parts

torch.set_num_threads(1)


@dataclass(repr=False)
class Pair:
    """The engine, and passes by hand, over the same model and rows."""

    model: LoadedModel
    data: Dataset
    hands: list[Hand]

    def __repr__(self) -> str:
        """Short, for falsifying examples."""
        return type(self.model.hf).__name__

    def ask(self, cells: Iterable[Cell]) -> Mapping[Cell, NDArray[Any]]:
        """All cells in one plan."""
        plan = make_plan(list(cells), self.data, {M: self.model.sites})
        return execute(prepare(plan, {M: self.model}, self.data), max_tokens=1 << 14).cells

    def truth(self, cell: Cell) -> NDArray[np.float64]:
        """By hand."""
        assert isinstance(cell.readout, Readout)
        for hand in self.hands:
            if len(hand.known) > 200:
                hand.known.clear()  # traces of every world are gigabytes
        with torch.no_grad():
            return np.array([h.readout(cell.readout, cell.world) for h in self.hands])

    def gaps(self, cells: Iterable[Cell]) -> dict[Cell, float]:
        """The largest difference of each cell over the rows."""
        wanted = list(cells)
        found = self.ask(wanted)
        return {c: float(np.abs(found[c] - self.truth(c)).max()) for c in wanted}


def pair(model: LoadedModel, data: Dataset, parts: Parts) -> Pair:
    words = model.tokenizer

    def tokenize(text: str) -> list[int]:
        # Where a text begins with a mark, an answer does not.
        return list(words(text).input_ids) if " " in text.strip() else words.encode(text, add_special_tokens=False)

    rows = [{k: v[i] for k, v in data.columns.items()} for i in range(data.n)]
    return Pair(model, data, [Hand(parts, tokenize, r, r["clean"]) for r in rows])


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two layers of three heads on two prompts of different lengths."""
    root = tmp_path_factory.mktemp("wires")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    data = load(DataRef("d", "jsonl", root / "prompts.jsonl", (("prompt", row("clean")),))).take([0, 3])
    model = load_model(ModelRef(M, "./gpt2", root / "gpt2", dtype="float64"))
    return pair(model, data, GPT2(model.hf))


@pytest.fixture(scope="module")
def doubles() -> Iterator[None]:
    """See `doubled`."""
    with doubled():
        yield


@contextmanager
def doubled() -> Iterator[None]:
    """Models that cast float64 to float32 in norms and softmax do not, so that arithmetic is held to 1e-9.

    For the tests of wires alone: torch is changed for all that runs meanwhile.
    """
    cast, to = Tensor.float, Tensor.to

    def keep(self: Tensor) -> Tensor:
        return self if self.dtype == torch.float64 else cast(self)

    def keep_to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        asked = kwargs.get("dtype", args[0] if args else None)
        return self if self.dtype == torch.float64 and asked is torch.float32 else to(self, *args, **kwargs)

    softmax = functional.softmax

    def keep_softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
        return softmax(input, dim, _stacklevel, None if input.dtype == torch.float64 else dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "softmax", keep_softmax)
        patch.setattr(Tensor, "float", keep)
        patch.setattr(Tensor, "to", keep_to)
        yield


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory, doubles: None) -> Pair:
    """Three layers of four heads that read two heads of keys and values."""
    folder = folder_of("llama", tmp_path_factory)
    root = tmp_path_factory.mktemp("wires_llama")
    lines = [
        {"clean": "Mary and John went to the shop", "other": "Anna and Tom went to the park", "answer": "book"},
        {"clean": "the old king said no", "other": "the red ball was good", "answer": "letter"},
    ]
    data = load(DataRef("d", "jsonl", tiny.write_lines(root / "prompts.jsonl", lines), (("prompt", row("clean")),)))
    model = load_model(ModelRef(M, "./llama", Path(folder), dtype="float64"))
    return pair(model, data, Llama(model.hf))
