"""Scores of all rows, chunk by chunk: what is known is taken over, what is new is kept, what does not fit is halved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.attribution.lasting import Lasting
from causalcircuit.attribution.summary import Floats, units
from causalcircuit.attribution.tally import Tally
from causalcircuit.diagnostics import error
from causalcircuit.engine.execute import no_memory
from causalcircuit.engine.heap import kept_heap
from causalcircuit.models import LoadedModel
from causalcircuit.rows import Dataset, clusters

Heard = Callable[[int, int], None]
"""Hears how many rows are done, of how many."""
Score = Callable[[range], tuple[Tensor, int]]
"""[rows, n] the scores of some rows, and the passes of single rows that they took."""
_EVERY = 20.0
"""Seconds between sums that are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The scores of all rows.

    Attributes:
        table: [rows, n]; of no rows where they are in the tally only. tally: their sums, where a table is too large.
        passes: of single rows, that were made. stored: rows that were known. halved: chunks made in halves.
    """

    table: Floats
    tally: Tally | None = None
    passes: int = 0
    stored: int = 0
    halved: int = 0


@dataclass(slots=True, eq=False)
class Scoring:
    """How rows are scored.

    Attributes:
        model: whose. data: the rows. columns: scores a row. score: gives those of a chunk.
        check: refuses scores that are no numbers. heard: hears of rows. lasting: what is known, and is kept.
    """

    model: LoadedModel
    data: Dataset
    columns: int
    score: Score
    check: Callable[[Floats, range], None]
    heard: Heard | None = None
    lasting: Lasting | None = None
    _passes: int = 0
    _halved: int = 0

    def table(self, chunks: Iterable[range]) -> Scored:
        """Every row's scores; a chunk of which every row is known is not scored."""
        n = self.data.n
        known = None if self.lasting is None else self.lasting.scores(self.columns)
        values, mask = known or (np.empty((n, self.columns)), np.zeros(n, dtype=bool))
        stored = 0
        with kept_heap(self.model.device.type == "cpu"):
            for rows in chunks:
                own = slice(rows.start, rows.stop)
                if mask[own].all():
                    stored += len(rows)
                else:
                    values[own] = self._chunk(rows)
                    if self.lasting is not None:
                        self.lasting.keep(rows, values[own])
                self._tell(rows)
        if self.lasting is not None:
            self.lasting.finish(values)
        return Scored(values, None, self._passes, stored, self._halved)

    def sums(self, chunks: Iterable[range], seed: int | None) -> Scored:
        """The sums of all rows, whose sampling units stand side by side; they are kept every now and then."""
        tally = Tally(units(clusters(self.data), self.data.n), weights_of(self.data), self.columns, seed)
        found = None if self.lasting is None else self.lasting.sums()
        stored = found[0] if found is not None and tally.resume(*found) else 0
        last = time.monotonic()
        with kept_heap(self.model.device.type == "cpu"):
            for rows in chunks:
                if rows.stop <= stored:
                    continue
                # Rows before it are in the sums: where chunks are cut in another way, a part of one is left.
                left = range(max(rows.start, tally.done), rows.stop)
                tally.add(self._chunk(left))
                self._tell(rows)
                if self.lasting is not None and (time.monotonic() - last > _EVERY or rows.stop == self.data.n):
                    self.lasting.keep_sums(tally.done, tally.state)
                    last = time.monotonic()
        return Scored(np.empty((0, self.columns)), tally, self._passes, stored, self._halved)

    def _tell(self, rows: range) -> None:
        if self.heard is not None:
            self.heard(rows.stop, self.data.n)

    def _chunk(self, rows: range) -> Floats:
        """The scores of some rows; where memory holds them only in parts, in halves.

        Raises:
            DiagnosticError: CQ821, memory does not hold a row.
        """
        refused = False
        try:
            made, passes = self.score(rows)
            own: Floats = made.detach().double().cpu().numpy()
        except (torch.OutOfMemoryError, RuntimeError) as problem:
            if not no_memory(problem):
                raise
            refused = True
        if refused:  # here, where nothing holds the tensors of the attempt any more
            self._halved += 1
            if len(rows) == 1:
                raise error(
                    "CQ821",
                    f"scoring row {self.data.rows[rows.start]} does not fit the memory of {self.model.device}",
                    self.model.ref.span,
                    help=("`--max-memory` takes the writes of a row in parts, where that is enough",
                          "shorter prompts need less: all positions of a row are in memory at once"),
                )  # fmt: skip
            middle = (rows.start + rows.stop + 1) // 2
            return np.concatenate([self._chunk(range(rows.start, middle)), self._chunk(range(middle, rows.stop))])
        self.check(own, rows)
        self._passes += passes
        return own


def weights_of(data: Dataset) -> Floats:
    """[rows] what each row counts."""
    ref = data.ref.weight
    return np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)


def side_by_side(data: Dataset) -> Dataset:
    """The rows in an order in which those of a sampling unit follow each other; the same where they do already."""
    unit: NDArray[np.intp] = units(clusters(data), data.n)
    starts = int((np.diff(unit) != 0).sum()) + 1
    return data if starts == int(unit.max()) + 1 else data.take([int(i) for i in np.argsort(unit, kind="stable")])


__all__ = ["Scored", "Scoring", "side_by_side", "weights_of"]
