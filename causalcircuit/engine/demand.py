"""What of a plan is left to run, where some of it is known.

How rows are cut into chunks depends on the plan alone. A chunk whose outcomes are all known is not run; of any other
the worlds that unknown outcomes need, on the rows where they are unknown, or on all rows of the chunk where a reference
still adds them up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.engine.formulas import leaves, model_of, said_in, statistics
from causalcircuit.engine.kept import Item, Kept
from causalcircuit.query import Column as ColumnExpr
from causalcircuit.query import Counterfactual, DataRef, Expr, Statistic
from causalcircuit.query.plan import Plan, Stage
from causalcircuit.store import Total


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One value a row.

    Attributes:
        item: what it is. runs: all that it takes. stage: the sweep that gives it.
        values: [rows] or [rows, …]. known: [rows] which of them are.
        cell: its number in the plan; `None` of what a check looks at.
    """

    item: Item
    runs: frozenset[int]
    stage: int
    values: NDArray[Any]
    known: NDArray[np.bool_]
    cell: int | None = None

    def take(self, rows: range, found: NDArray[Any]) -> None:
        """Enter what was found on some rows; what is known already stays."""
        unknown = ~self.known[rows.start : rows.stop]
        if unknown.all():
            self.values[rows.start : rows.stop] = found
            return
        self.values[rows.start : rows.stop][unknown] = found[unknown]


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What is left of a chunk: the sweep with just what is needed, on some rows, for some columns."""

    stage: Stage
    rows: range
    columns: tuple[Column, ...]


@dataclass(eq=False)
class Demand:
    """What is known and what is wanted of one plan.

    Attributes:
        plan: it. layouts: for each sweep its chunks. kept: where outcomes are looked up.
        columns: all that has a value a row. references: those that are wanted. totals: those that are known, or begun.
    """

    plan: Plan
    layouts: Sequence[tuple[range, ...]]
    kept: Kept | None
    columns: list[Column] = field(default_factory=list)
    references: dict[Statistic, None] = field(default_factory=dict)
    totals: dict[Statistic, Total] = field(default_factory=dict)
    _index: Mapping[tuple[Any, ...], int] = field(default_factory=dict)
    _sweeps: Mapping[int, int] = field(default_factory=dict)
    _whole: list[frozenset[int]] = field(default_factory=list)
    _named: dict[int, tuple[Statistic, ...]] = field(default_factory=dict)
    _refers: bool = False

    def __post_init__(self) -> None:
        """Know where each run stands, and what it needs, which stands before it."""
        self._index = {(r.model, r.world, r.said): i for i, r in enumerate(self.plan.runs)}
        self._refers = bool(self.plan.references or self.plan.elsewhere)
        self._sweeps = {cell: k for k, stage in enumerate(self.plan.stages) for cell in stage.cells}
        for i, run in enumerate(self.plan.runs):
            self._whole.append(frozenset({i}).union(*(self._whole[n] for n in run.needs)))

    def add(self, item: Item, empty: Callable[[], NDArray[Any]], cell: int | None = None) -> Column:
        """A column, with what is known of it, and the references that it rests on."""
        each = [self._runs(f) for f in item.formulas]
        runs = each[0] if len(each) == 1 else frozenset().union(*each)
        stage = self._stage(runs, cell)
        known = self.kept.outcomes(item) if self.kept is not None else None
        values = empty()
        if known is None or known.values.shape != values.shape or known.values.dtype != values.dtype:
            column = Column(item, runs, stage, values, np.zeros(self.plan.rows, dtype=bool), cell)
        else:
            values[known.mask] = known.values[known.mask]
            column = Column(item, runs, stage, values, known.mask.copy(), cell)
        self.columns.append(column)
        # References that nothing unknown needs are wanted too: their sums are known as a rule, and they have remarks.
        if self._refers:
            for formula in item.formulas:
                self._want_in(formula, runs)
        return column

    def want(self, statistic: Statistic) -> None:
        """Want a reference, and all that it rests on unless its sum is known."""
        if statistic in self.references:
            return
        self.references[statistic] = None
        if statistic.elsewhere(self.plan.data):
            return
        layout = self.layout(statistic)
        found = self.kept.total(statistic, layout) if self.kept is not None else None
        if found is not None and found[0] in (0, *layout):
            self.totals[statistic] = found
            if found[0] == self.plan.rows:
                return
        for part in statistic.parts:
            self._want_in(part, self._runs(part))

    def layout(self, statistic: Statistic) -> tuple[int, ...]:
        """Where the chunks of a reference's sweep end."""
        stage = next(r.stage for r in self.plan.references if r.statistic == statistic)
        return tuple(chunk.stop for chunk in self.layouts[stage])

    def of(self, data: DataRef) -> list[Statistic]:
        """The references over other data that are wanted."""
        return [s for s in self.references if s.on == data]

    def left(self, number: int, chunk: range) -> Iterator[Left]:
        """What is left to run of a chunk of a sweep."""
        stage = self.plan.stages[number]
        adding = tuple(i for i in stage.references if self._adds(i, chunk))
        own = [c for c in self.columns if c.stage == number]
        if adding:
            columns = tuple(c for c in own if not c.known[chunk.start : chunk.stop].all())
            yield Left(self._narrowed(stage, columns, adding), chunk, columns)
            return
        missing = [tuple(k for k, c in enumerate(own) if not c.known[row]) for row in chunk]
        start = chunk.start
        for which, rows in groupby(missing):
            stop = start + len(list(rows))
            if which:
                columns = tuple(own[k] for k in which)
                yield Left(self._narrowed(stage, columns, ()), range(start, stop), columns)
            start = stop

    @property
    def rows_done(self) -> int:
        """How many rows from the first on have all their cells."""
        known = [c.known for c in self.columns if c.cell is not None]
        whole = np.logical_and.reduce(known) if known else np.ones(self.plan.rows, dtype=bool)
        return int(np.argmin(whole)) if not whole.all() else self.plan.rows

    def _adds(self, reference: int, chunk: range) -> bool:
        """Whether the rows of a chunk are yet to be added to a reference."""
        statistic = self.plan.references[reference].statistic
        done = self.totals[statistic][0] if statistic in self.totals else 0
        return statistic in self.references and done < chunk.stop

    def _narrowed(self, stage: Stage, columns: Iterable[Column], adding: tuple[int, ...]) -> Stage:
        runs = {i for c in columns for i in c.runs}
        runs.update(i for r in adding for i in self._closed(self.plan.references[r].needs))
        cells = tuple(c.cell for c in columns if c.cell is not None)
        return replace(stage, runs=tuple(i for i in stage.runs if i in runs), references=adding, cells=cells)

    def _want_in(self, formula: Expr, runs: Iterable[int]) -> None:
        """Want the references that a formula is made of, and those of the worlds that it takes."""
        for statistic in statistics(formula):
            self.want(statistic)
        for i in runs:
            if i not in self._named:
                self._named[i] = tuple(s for value in self.plan.runs[i].values for s in statistics(value))
            for statistic in self._named[i]:
                self.want(statistic)

    def _runs(self, formula: Expr) -> frozenset[int]:
        """The runs that a formula is read from, and all that those need."""
        if isinstance(formula, Counterfactual) and not isinstance(formula.value, ColumnExpr):  # as most cells are
            return self._whole[self._index[model_of(formula.value), formula.world, said_in(formula)]]
        return self._closed({self._index[model_of(e.value), e.world, said_in(e)] for e in leaves(formula)})

    def _closed(self, runs: Collection[int]) -> frozenset[int]:
        whole = [self._whole[i] for i in runs]
        return whole[0] if len(whole) == 1 else frozenset().union(*whole)

    def _stage(self, runs: frozenset[int], cell: int | None) -> int:
        if cell is not None:
            return self._sweeps[cell]
        return next(k for k, s in enumerate(self.plan.stages) if runs <= set(s.runs))
