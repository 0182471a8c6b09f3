"""Joint sets against hooks written by hand on the native model, in float64."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.sweeps.programs import EXAMPLES, answers

FOLDER = EXAMPLES / "models" / "ioi"
WIDTH = 16
Edit = Callable[[int, torch.Tensor], torch.Tensor]
ROWS = [json.loads(line) for line in (EXAMPLES / "data" / "ioi.jsonl").read_text(encoding="utf-8").splitlines()]


class Native:
    """The model with the inputs of its output projections, which are all heads side by side, in reach."""

    def __init__(self) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float64, attn_implementation="eager")
        self.tokenizer = AutoTokenizer.from_pretrained(FOLDER)

    def run(self, text: str, edit: Edit | None = None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits at the last position, and the heads' values in each layer."""
        seen: list[torch.Tensor] = []

        def hook(layer: int) -> Callable[..., tuple[torch.Tensor]]:
            def inside(module: torch.nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
                z = given[0] if edit is None else edit(layer, given[0].clone())
                seen.append(z)
                return (z,)

            return inside

        blocks = self.model.transformer.h
        hooks = [b.attn.c_proj.register_forward_pre_hook(hook(i)) for i, b in enumerate(blocks)]
        try:
            with torch.no_grad():
                logits = self.model(**self.tokenizer(text, return_tensors="pt")).logits[0, -1]
        finally:
            for h in hooks:
                h.remove()
        return logits, seen

    def difference(self, row: dict[str, str], logits: torch.Tensor) -> float:
        io, subj = (self.tokenizer(row[k])["input_ids"][0] for k in ("io", "subj"))
        return float(logits[io] - logits[subj])


@pytest.fixture(scope="module")
def native() -> Native:
    return Native()


def part(head: int) -> slice:
    return slice(WIDTH * head, WIDTH * (head + 1))


def frozen_but(native: Native, row: dict[str, str], layer: int, head: int) -> float:
    """All heads keep their factual values; one gets its corrupt one, at the last position."""
    _, clean = native.run(row["clean"])
    _, other = native.run(row["corrupt"])

    def edit(i: int, z: torch.Tensor) -> torch.Tensor:
        z = clean[i].clone()
        if i == layer:
            z[0, -1, part(head)] = other[i][0, -1, part(head)]
        return z

    return native.difference(row, native.run(row["clean"], edit)[0])


def all_but_last_of(native: Native, row: dict[str, str]) -> float:
    """All heads at all positions take corrupt values, but for head 1.3 at the last position."""
    _, other = native.run(row["corrupt"])

    def edit(i: int, z: torch.Tensor) -> torch.Tensor:
        own = z[0, -1, part(3)].clone()
        z = other[i].clone()
        if i == 1:
            z[0, -1, part(3)] = own
        return z

    return native.difference(row, native.run(row["clean"], edit)[0])


def others_at_0(native: Native, row: dict[str, str]) -> float:
    """Every other head is 0 at the last position."""

    def edit(i: int, z: torch.Tensor) -> torch.Tensor:
        own = z[0, -1, part(3)].clone()
        z[0, -1] = 0
        if i == 1:
            z[0, -1, part(3)] = own
        return z

    return native.difference(row, native.run(row["clean"], edit)[0])


@pytest.mark.parametrize(
    ("world", "by_hand"),
    [
        ("swap(gpt2.layer[0].head[2].out @ last)", lambda n, r: frozen_but(n, r, 0, 2)),
        ("swap(NM)", lambda n, r: frozen_but(n, r, 1, 3)),
        ("do(Heads except NM = (Heads except NM | corrupt))", all_but_last_of),
        ("do(outside(NM) = 0)", others_at_0),
    ],
    ids=["frozen_but_0.2", "frozen_but_1.3", "all_except", "outside"],
)
def test_a_set_takes_each_its_own_value(
    native: Native, world: str, by_hand: Callable[[Native, dict[str, str]], float]
) -> None:
    result = answers(f"estimate E[LD | {world}] on ioi\n")
    table = result.tables["ioi"]
    cells = [c for c in table.cells if c.world.assignments]
    ours = np.zeros(table.n)
    for cell in cells:
        sign = 1 if "row.io" in str(cell.readout) or "'io'" in str(cell.readout) else -1
        ours += sign * table.cells[cell]
    for at in range(0, table.n, 7):
        row = ROWS[int(table.rows[at])]
        assert ours[at] == pytest.approx(by_hand(native, row), abs=1e-9)
