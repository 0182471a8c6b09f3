"""Asking the engine, and holding its answers against the brute force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.models import load as load_model
from causalcircuit.query import Cell, Column, DataRef, Expr, ModelRef, Readout
from causalcircuit.rows import Dataset, load
from tests.truth.brute import Brute
from tests.truth.say import M

DType = Literal["float32", "float64"]
Attention = Literal["sdpa", "eager"]


@dataclass(frozen=True)
class Engine:
    """A loaded model with its data."""

    model: LoadedModel
    data: Dataset

    def ask(self, cells: Iterable[Cell], **options: Any) -> Mapping[Cell, NDArray[np.float64]]:
        """All cells in one plan."""
        plan = make_plan(list(cells), self.data)
        return execute(prepare(plan, {M: self.model}, self.data), **options).cells


def engine(
    folder: Path,
    data: Path,
    feeds: Mapping[str, Expr],
    dtype: DType = "float64",
    attention: Attention = "sdpa",
    rows: Sequence[int] | None = None,
    weight: str | None = None,
) -> Engine:
    """The engine over a model's folder and a JSONL file; `rows`: only these; `weight`: a column."""
    ref = ModelRef(M, f"./{folder.name}", folder, dtype=dtype)
    said = {"input": "prompt"}  # the data's word for the channel
    named = tuple((said.get(c, c), e) for c, e in feeds.items())
    chosen = load(DataRef("d", "jsonl", data, named, weight=None if weight is None else Column(weight)))
    if rows is not None:
        chosen = chosen.take(rows)
    return Engine(load_model(ref, attention), chosen)


def truth(brute: Brute, cell: Cell) -> NDArray[np.float64]:
    """The brute force's answer for every row."""
    if cell not in brute.known:
        brute.known[cell] = [brute.cell(i, cell) for i in range(len(brute.rows))]
    return np.array(brute.known[cell])


def disagreement(got: NDArray[np.float64], brute: Brute, cell: Cell) -> float:
    """The largest error over the rows: absolute in logits and nats, relative in probabilities, however small.

    Of a site's norm, dot, … it is relative where that is larger than 1: a dot adds hundreds of products.
    """
    expected = truth(brute, cell)
    assert got.shape == expected.shape
    scale: NDArray[np.float64] | float = 1.0
    if not isinstance(cell.readout, Readout):
        scale = np.maximum(1, np.abs(expected))
    elif cell.readout.kind == "prob":
        scale = expected
    return float((np.abs(got - expected) / scale).max())
