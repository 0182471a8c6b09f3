"""A workload with its model and its rows on disk: what every contender is given."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.interventions.shapes import SHAPES, SIDE, VOCABULARY, Shape, loaded, made
from benchmarks.interventions.workloads import Target, Workload


@dataclass(frozen=True, eq=False)
class Task:
    """Everything a contender needs.

    Attributes:
        workload: what is asked. folder: of the model. data: a file of rows, for those who read files.
        base, source: what feeds the model: token numbers [rows, positions] or pixels.
        good, bad: [rows] the two tokens, or classes, whose logits are told apart.
        targets: the replaced heads, one a world.
    """

    workload: Workload
    folder: Path
    data: Path
    base: torch.Tensor
    source: torch.Tensor
    good: torch.Tensor
    bad: torch.Tensor
    targets: list[Target]

    @property
    def shape(self) -> Shape:
        """Of the model."""
        return SHAPES[self.workload.shape]

    def model(self) -> Any:
        """A copy of the model of one's own."""
        return loaded(self.workload.shape, self.folder)

    def difference(self, logits: torch.Tensor) -> torch.Tensor:
        """[rows] the readout, from logits of the last position, or of the classes."""
        return (logits.gather(1, self.good[:, None]) - logits.gather(1, self.bad[:, None]))[:, 0]


def task(workload: Workload, root: Path, *, quick: bool = False, rows: int | None = None) -> Task:
    """Make model and rows of a workload below `root`.

    Args:
        workload: a line of the table. root: where models and rows are kept between runs.
        quick: some of the heads only. rows: another number of rows than the workload's.
    """
    workload = workload if rows is None else replace(workload, rows=rows)
    folder = made(workload.shape, root)
    shape = SHAPES[workload.shape]
    rng = np.random.default_rng(7)
    n = workload.rows
    answers = np.array([2 + rng.choice(shape.classes - 2, 2, replace=False) for _ in range(n)])
    data = root / f"{workload.name}-{n}.jsonl"
    if shape.images:
        base, source = _pictures(rng, n, root / f"{workload.name}-pictures", folder)
        names = [{k: f"{workload.name}-pictures/{k}{i}.png" for k in ("base", "source")} for i in range(n)]
        rows_ = [{**x, "good": int(a), "bad": int(b)} for x, (a, b) in zip(names, answers, strict=True)]
    else:
        base, source = _texts(rng, n, shape.length, workload.differ)
        said = [{"base": _words(b), "source": _words(s)} for b, s in zip(base, source, strict=True)]
        rows_ = [{**x, "good": f"w{a}", "bad": f"w{b}"} for x, (a, b) in zip(said, answers, strict=True)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows_))
    good, bad = torch.tensor(answers).T
    return Task(workload, folder, data, base, source, good, bad, workload.targets(quick))


def _texts(rng: np.random.Generator, n: int, length: int, differ: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    base = rng.integers(2, VOCABULARY, (n, length))
    other = rng.integers(2, VOCABULARY, (n, length))
    if differ is not None:
        other = np.where(np.arange(length) == differ, other, base)
    return torch.tensor(base), torch.tensor(other)


def _words(ids: torch.Tensor) -> str:
    return " ".join(f"w{i}" for i in ids.tolist())


def _pictures(rng: np.random.Generator, n: int, folder: Path, model: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of noise, and what the model's own processor makes of them."""
    from transformers import AutoImageProcessor

    folder.mkdir(exist_ok=True)
    processor = AutoImageProcessor.from_pretrained(model)
    found: dict[str, list[torch.Tensor]] = {"base": [], "source": []}
    for side, kept in found.items():
        for i in range(n):
            picture = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
            picture.save(folder / f"{side}{i}.png")
            kept.append(processor(picture, return_tensors="pt")["pixel_values"][0])
    return torch.stack(found["base"]), torch.stack(found["source"])
