"""How much of the probability the answers hold that a question asks about (CQ493, CQ494)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.kept import Item
from causalcircuit.engine.prepared import Prepared, ReadoutRead, Tokens
from causalcircuit.query import Column, Counterfactual, Items, Position, Readout, Text, render

_LITTLE = 0.05
_SHORT = 3  # a sentence as an answer has little probability by its length alone


@dataclass(eq=False)
class _Group:
    """All answers that are asked about at one position of a model, in the least-assigned world that reads them."""

    run: int
    reads: tuple[ReadoutRead, ...]
    item: Item
    values: NDArray[np.float64]


class MassCheck:
    """Looks at the probability of answers, row by row, while the worlds run."""

    def __init__(self, prepared: Prepared) -> None:
        """Look at nothing yet."""
        self._prepared = prepared
        self.groups = list(_groups(prepared))

    def look(self, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> None:
        """Add the rows of a slot."""
        for group in self.groups:
            if group.run == slot.index:
                group.values[list(slot.rows)] = held(group.reads, slot, logits, left).cpu().numpy()

    def notes(self) -> Iterator[Diagnostic]:
        """What the report says of each group: a note, or a warning where the answers are not what the model says."""
        for group in self.groups:
            seen = group.values[~np.isnan(group.values)]
            if len(seen):
                yield self._note(group, seen)

    def _note(self, group: _Group, seen: NDArray[np.float64]) -> Diagnostic:
        first = group.reads[0].readout
        mean = float(seen.mean())
        answers = [a for read in group.reads for row in read.answers for a in row]
        rows = range(self._prepared.data.n)
        several = max(len({a for read in group.reads for a in read.answers[i]}) for i in rows)
        little = mean < _LITTLE and several > 1 and max(map(len, answers)) <= _SHORT
        world = self._prepared.plan.runs[group.run].world
        where = "" if world.factual else f" in {render(world)}"
        return Diagnostic(
            "CQ494" if little else "CQ493",
            f"{_named(group.reads)} of `{first.model}` @ {first.position} hold{'s' * (len(_parts(group.reads)) == 1)} "
            f"{_share(mean)} of the probability on average over {len(seen)} rows{where} "
            f"({_share(float(seen.min()))} to {_share(float(seen.max()))})",
            first.span,
            severity="warning" if little else "note",
            help=("the model mostly says something else: are these the words that it would use?",) if little else (),
        )


def _groups(prepared: Prepared) -> Iterator[_Group]:
    plan = prepared.plan
    asked: dict[tuple[str, Position], dict[int, dict[Readout, None]]] = {}
    for formula in plan.formulas:
        readout = formula.value if isinstance(formula, Counterfactual) else None
        if isinstance(formula, Counterfactual) and isinstance(readout, Readout) and _written(readout):
            run = plan.run_of(readout.model, formula.world)
            asked.setdefault((readout.model, readout.position), {}).setdefault(run, {})[readout] = None
    for worlds in asked.values():
        run = min(worlds, key=lambda r: len(plan.runs[r].targets))
        reads = tuple(r for r in prepared.setups[run].readouts if r.readout in worlds[run])
        if reads and not (len(_parts(reads)) == 1 and reads[0].readout.kind == "prob"):  # the estimate says it itself
            world = plan.runs[run].world
            item = Item("mass", tuple(Counterfactual(r.readout, world) for r in reads))
            yield _Group(run, reads, item, np.full(prepared.data.n, np.nan))


def _written(readout: Readout) -> bool:
    """A probability, or its logarithm, of answers that the file or the data name."""
    items = readout.answer.items if isinstance(readout.answer, Items) else (readout.answer,)
    return readout.kind != "logit" and all(isinstance(item, Text | Column) for item in items)


def _parts(reads: Sequence[ReadoutRead]) -> list[str]:
    found: dict[str, None] = {}
    for read in reads:
        answer = read.readout.answer
        found.update(dict.fromkeys(render(item) for item in (answer.items if isinstance(answer, Items) else (answer,))))
    return list(found)


def _named(reads: Sequence[ReadoutRead]) -> str:
    parts = _parts(reads)
    shown = ", ".join(f"`{p}`" for p in parts[:4]) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "")
    return f"the answer{'s' * (len(parts) > 1)} {shown}"


def _share(x: float) -> str:
    return f"{100 * x:.3g}%"


def held(reads: Sequence[ReadoutRead], slot: Slot, logits: Tensor, left: tuple[int, ...]) -> Tensor:
    """[rows] the probability that one of the answers is what the model says, each way to say one counted once.

    Args:
        reads: readouts at one position. slot: where its rows stand in the batch.
        logits: [items, positions, vocabulary] of the batch. left: the shift of each item's positions by padding.
    """
    lines: dict[tuple[int, int], int] = {}
    at: list[tuple[int, int, int, int]] = []  # row, which answer, line of logits, token
    counted = 0
    for k, (row, own) in enumerate(zip(slot.rows, slot.items, strict=True)):
        continuations = slot.setup.continuations[row]
        for answer in _distinct([a for read in reads for a in read.answers[row]]):
            item = next(i for i, c in zip(own, continuations, strict=True) if c[: len(answer) - 1] == answer[:-1])
            for step, token in enumerate(answer):
                place = reads[0].positions[row] + step + left[item]
                at.append((k, counted, lines.setdefault((item, place), len(lines)), token))
            counted += 1
    items, places = zip(*lines, strict=True)
    known = logits[list(items), list(places)].double().log_softmax(-1)
    rows, numbers, lined, tokens = torch.tensor(at, device=known.device).unbind(1)
    each = torch.zeros(counted, dtype=torch.float64, device=known.device).index_add_(0, numbers, known[lined, tokens])
    owners = torch.zeros(counted, dtype=torch.long, device=known.device).index_copy_(0, numbers, rows)
    return torch.zeros(len(slot.rows), dtype=torch.float64, device=known.device).index_add_(0, owners, each.exp())


def _distinct(answers: Sequence[Tokens]) -> list[Tokens]:
    """The answers less those that go on where another one ends: the shorter holds them."""
    unique = list(dict.fromkeys(answers))
    return [a for a in unique if not any(a != b and a[: len(b)] == b for b in unique)]
