"""What is to be trusted or not: an attribution, its scores on some of its rows, and those of others beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from causalcircuit.attribution.attribute import Means, Scores, considered, scores
from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.layout import Write
from causalcircuit.attribution.parts import part
from causalcircuit.attribution.passes import Question, Rows
from causalcircuit.attribution.summary import Floats, means, units
from causalcircuit.attribution.walk import Wiring
from causalcircuit.engine.prepared import Setup
from causalcircuit.models import LoadedModel
from causalcircuit.query import Site
from causalcircuit.query.circuits.formulas import Method
from causalcircuit.rows import Dataset, clusters

_ANY = 3e6
"""As many multiplications as take the time that a row of a pass does whatever the model, about 0.3 ms of a core."""
_LOOK = 8
"""Rows that say how long rows are."""


def passes_a_row(method: Method, wires: int, tensors: int = 0) -> int:
    """Forward and backward passes of a single row that a method takes; a backward pass counts as one.

    Args:
        method: it. wires: that are scored. tensors: by which nodes write into streams, for what takes them one by one.
    """
    if method.name == "exact":
        return 2 * wires
    if method.name == "eap_ig_activations":
        return 3 + 2 * int(method.arguments[0]) * tensors
    # `to`, and forward and backward at `from`; a step of integrated gradients is forward and backward.
    return 3 if not method.arguments else 2 + 2 * int(method.arguments[0])


@dataclass(eq=False)
class Subject:
    """An attribution of wires.

    Attributes:
        model, data, question, method, over: as it was asked for. found: all that it gave.
    """

    model: LoadedModel
    data: Dataset
    question: Question
    method: Method
    over: tuple[Site, ...]
    found: Scores

    @cached_property
    def chosen(self) -> NDArray[np.intp]:
        """The numbers of the wires that were considered."""
        return np.asarray(considered(self.found, self.over)[1], dtype=np.intp)

    @cached_property
    def value(self) -> Floats:
        """[wires considered] their scores."""
        return self.found.means(self.data, self.chosen)[0]

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The wires considered, strongest first, those that score zero last."""
        return np.argsort(-np.abs(self.value), kind="stable")

    @cached_property
    def bench(self) -> Bench:
        """The question on a few of the rows."""
        question, few = self.some(range(min(_LOOK, self.data.n)))
        return Bench(Rows(self.model, few, question), quick=False)

    @cached_property
    def work(self) -> float:
        """Multiplications of a pass of one row, about, and what a pass takes of a model of any size."""
        return _work(self.bench.rows)

    def passes(self, method: Method) -> int:
        """Passes of a row that a method takes."""
        return passes_a_row(method, len(self.chosen), sum(isinstance(e, Write) for e in self.bench.streams.events))

    def weights(self, data: Dataset) -> Floats:
        """[rows]."""
        ref = data.ref.weight
        return np.ones(data.n) if ref is None else np.asarray(data.column(ref.name), dtype=np.float64)

    def some(self, rows: Sequence[int]) -> tuple[Question, Dataset]:
        """The question on some of the rows."""
        return part(self.question, self.data, rows)

    def on(self, rows: Sequence[int]) -> Floats:
        """[wires considered] the scores as means over some of the rows."""
        if len(rows) == self.data.n:
            return self.value
        if not len(self.found.table):  # there were too many rows for a table
            return self.beside(self.method, rows)[0]
        data = self.data.take(list(rows))
        table = self.found.table[np.asarray(rows)][:, self.chosen]
        return means(table, units(clusters(data), data.n), self.weights(data))[0]

    def beside(self, method: Method, rows: Sequence[int], model: LoadedModel | None = None) -> tuple[Floats, int]:
        """[wires considered] the scores of a method on some rows, perhaps of another model; and its passes."""
        by = Means(self.found.limit)
        question, data = self.some(rows)
        found = scores(model or self.model, data, question, method.name, method.arguments, over=self.over, by=by)
        place = {ends: i for i, ends in enumerate(_ends(found.wiring))}
        own = list(_ends(self.found.wiring))
        at = np.array([place[own[i]] for i in self.chosen.tolist()], dtype=np.intp)
        return found.means(data, at)[0], found.passes

    def wires(self, numbers: Sequence[int]) -> list[int]:
        """The numbers among all wires of some of those considered."""
        return [int(self.chosen[i]) for i in numbers]


def work_of(model: LoadedModel, data: Dataset, question: Question) -> float:
    """Multiplications of a pass of one row, about, and what a pass takes of a model of any size."""
    made, few = part(question, data, range(min(_LOOK, data.n)))
    return _work(Rows(model, few, made.stood))


def _work(rows: Rows) -> float:
    setups = [rows.prepared.setups[rows.index[w]] for w in (rows.question.start, rows.question.end)]
    return work_in(rows.model, setups, rows.data.n)


def work_in(model: LoadedModel, setups: Sequence[Setup], rows: int) -> float:
    """As `work_of`, in prepared worlds; of a sketch, too."""
    places = float(np.mean([max(s.cost(i) for s in setups) for i in range(min(_LOOK, rows))]))
    weights: int = sum(p.numel() for p in model.hf.parameters())
    return places * weights + _ANY


def _ends(wiring: Wiring) -> list[tuple[object, object]]:
    """Both ends of every wire."""
    starts = wiring.starts or (None,) * len(wiring.writes)
    stops = wiring.stops or (None,) * len(wiring.reads)
    writes = list(zip(wiring.writes, starts, strict=True))
    reads = list(zip(wiring.reads, stops, strict=True))
    both = zip(wiring.writers.tolist(), wiring.readers.tolist(), strict=True)
    return [(writes[w], reads[r]) for w, r in both]


def numbers_of(subject: Subject, ends: Sequence[tuple[Site, Site | None]]) -> list[int]:
    """Which of the wires considered are those from and to some sites."""
    wiring = subject.found.wiring
    number = {(wiring.source(int(w)), wiring.target(int(w))): i for i, w in enumerate(subject.chosen)}
    return [number[e] for e in ends]


__all__ = ["Subject", "numbers_of", "passes_a_row", "work_in", "work_of"]
