"""The spelling check: an answer that the model would write with (or without) a leading space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.kept import Item
from causalcircuit.engine.prepared import Prepared, Spelling
from causalcircuit.engine.readouts import probabilities
from causalcircuit.models import respelled
from causalcircuit.query import Column, Counterfactual, Items, Text, render

_RATIO, _FLOOR = 10.0, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One answer: for each row the probability as written, that of the other spelling, and whether there is one."""

    check: Spelling
    item: Item
    values: NDArray[np.float64]


class SpellingCheck:
    """Compares mean probabilities of both spellings over the rows, in each readout's least-assigned world."""

    def __init__(self, prepared: Prepared) -> None:
        """Look at nothing yet."""
        self.looks = [_look(s, prepared) for s in prepared.spellings]
        self._by_run: dict[int, list[_Look]] = {}
        for look in self.looks:
            self._by_run.setdefault(look.check.run, []).append(look)

    def look(self, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> None:
        """Add the rows of a slot."""
        for look in self._by_run.get(slot.index, ()):
            check = look.check
            written = tuple(check.read.answers[row][check.answer][0] for row in slot.rows)
            other = tuple(
                w if (o := check.other[row]) is None else o for row, w in zip(slot.rows, written, strict=True)
            )
            counted = np.array([check.other[row] is not None for row in slot.rows])
            found = np.zeros((len(slot.rows), 3))
            if counted.any():
                p = probabilities(check.read, written, slot, logits, left).cpu().numpy()
                q = probabilities(check.read, other, slot, logits, left).cpu().numpy()
                found[counted] = np.stack([p, q, np.ones(len(p))], 1)[counted]
            look.values[list(slot.rows)] = found

    def raise_wrong(self) -> None:
        """Raise for every answer whose other spelling is ten times likelier.

        Raises:
            DiagnosticError: CQ702.
        """
        DiagnosticError.raise_if(d for look in self.looks if (d := _verdict(look)) is not None)


def _look(spelling: Spelling, prepared: Prepared) -> _Look:
    world = prepared.plan.runs[spelling.run].world
    item = Item("spelling", (Counterfactual(spelling.read.readout, world),), spelling.answer)
    return _Look(spelling, item, np.full((prepared.data.n, 3), np.nan))


def _verdict(look: _Look) -> Diagnostic | None:
    check, seen = look.check, look.values[look.values[:, 2] == 1]
    if not len(seen):
        return None
    written, other = float(seen[:, 0].mean()), float(seen[:, 1].mean())
    if other < _FLOOR or other < _RATIO * written:
        return None
    readout = check.read.readout
    answer = readout.answer.items[check.answer] if isinstance(readout.answer, Items) else readout.answer
    help_ = "write the leading space (or drop it) in the column"
    if isinstance(answer, Text):
        help_ = f"write `{render(Text(respelled(answer.value)))}`"
    elif isinstance(answer, Column):
        help_ = f"write the answers of `row.{answer.name}` with the other spelling of the leading space"
    return Diagnostic(
        "CQ702",
        f"`{render(readout)}` asks for a spelling that the model does not write: its mean probability is "
        f"{written:.2g}, with the leading space the other way {other:.2g}, over {len(seen)} rows",
        answer.span or readout.span,
        help=(help_,),
    )
