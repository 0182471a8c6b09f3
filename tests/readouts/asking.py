"""Asking the tiny models, and their own answers without CausalCircuit."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.runs import Runner, check_text

RUNNER = Runner()
HEAD = """
model vit = hf("./vit") with dtype = float64
model toxic = hf("./toxic") with dtype = float64
data photos = jsonl("./photos.jsonl")
data lines = jsonl("./lines.jsonl")
"""


def ask(folder: Path, question: str, head: str = HEAD) -> Result:
    """Everything that a question says."""
    return RUNNER.run(check_text(head + question, "t.cq", folder))


def values(folder: Path, data: str, *expressions: str, head: str = HEAD) -> list[float]:
    """The value of each expectation."""
    found = ask(folder, f"estimate {', '.join(expressions)} on {data} as population", head).estimates
    return [e.value for e in found if e.value is not None]


def refused(folder: Path, question: str, head: str = HEAD) -> set[str]:
    """The codes of what is wrong."""
    try:
        ask(folder, question, head)
    except DiagnosticError as problem:
        return {d.code for d in problem.diagnostics if d.is_error}
    return set()


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def save_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@cache
def native(folder: Path, kind: str) -> Any:
    """A model as transformers loads it, in float64."""
    return getattr(transformers, kind).from_pretrained(folder, dtype=torch.float64).eval()


@torch.no_grad()
def seen(folder: Path, picture: str) -> torch.Tensor:
    """[classes] what the image classifier says of a picture."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder / "vit")
    pixels = processor(images=Image.open(folder / picture), return_tensors="pt")["pixel_values"].double()
    return native(folder / "vit", "ViTForImageClassification")(pixels).logits[0]


@torch.no_grad()
def read(folder: Path, text: str) -> torch.Tensor:
    """[classes] what the text classifier says of a text."""
    words = transformers.AutoTokenizer.from_pretrained(folder / "toxic")(text, return_tensors="pt")
    return native(folder / "toxic", "BertForSequenceClassification")(**words).logits[0]
