"""The spelling check: an answer that the model would write with (or without) a leading space."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.prepared import Prepared, Spelling
from causalcircuit.engine.readouts import probabilities
from causalcircuit.models import respelled
from causalcircuit.query import Column, Items, Text, render

_RATIO, _FLOOR = 10.0, 0.01


@dataclass
class _Sums:
    written: float = 0.0
    other: float = 0.0
    rows: int = 0


class SpellingCheck:
    """Compares mean probabilities of both spellings over the rows, in each readout's least-assigned world."""

    def __init__(self, prepared: Prepared) -> None:
        """Look at nothing yet."""
        self._checks = [(s, _Sums()) for s in prepared.spellings]

    def look(self, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> None:
        """Add the rows of a slot."""
        for check, sums in self._checks:
            if check.run != slot.index:
                continue
            written = tuple(check.read.answers[row][check.answer][0] for row in slot.rows)
            other = tuple(
                w if (o := check.other[row]) is None else o for row, w in zip(slot.rows, written, strict=True)
            )
            counted = [k for k, row in enumerate(slot.rows) if check.other[row] is not None]
            if counted:
                p = probabilities(check.read, written, slot, logits, left)
                q = probabilities(check.read, other, slot, logits, left)
                sums.written += float(p[counted].sum())
                sums.other += float(q[counted].sum())
                sums.rows += len(counted)

    def raise_wrong(self) -> None:
        """Raise for every answer whose other spelling is ten times likelier.

        Raises:
            DiagnosticError: CQ702.
        """
        DiagnosticError.raise_if(d for check, sums in self._checks if (d := _verdict(check, sums)) is not None)


def _verdict(check: Spelling, sums: _Sums) -> Diagnostic | None:
    if not sums.rows:
        return None
    written, other = sums.written / sums.rows, sums.other / sums.rows
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
        f"{written:.2g}, with the leading space the other way {other:.2g}, over {sums.rows} rows",
        answer.span or readout.span,
        help=(help_,),
    )
