"""Runs with a stopping rule: rows in random order, looks at fixed numbers of sampling units, where each question stops.

Looks depend on the data and the rule alone, never on how passes are cut or what the store holds: the same seed stops at
the same row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error, warning
from causalcircuit.inference import Sample, all_decided, decide, infer, looks, narrow_enough, sample_of
from causalcircuit.query import Cell, Command, Estimation, Options, OutcomeTable, Testing, compile_estimand, draws_in
from causalcircuit.query.until import Stopped, Until
from causalcircuit.runs.columns import arrays

if TYPE_CHECKING:
    from causalcircuit.runs.task import Task

_NARROWEST = 3
"""Sequences are narrowest at this part of the units that may be used."""


def in_random_order(commands: Iterable[Command]) -> list[Command]:
    """Commands with a stopping rule, each on its data in the random order of its seed."""
    return [
        c if c.options.until is None else replace(c, data=replace(c.data, order=c.options.seed))
        for c in commands
    ]  # fmt: skip


@dataclass(slots=True, eq=False)
class Watch:
    """One question on its way: which looks are done, and where it stopped.

    Attributes:
        command: with a rule whose horizon is set. ends: how many rows make so many units, from 1 on.
        looks: in units, those that are allowed. done: how many of them were made.
        stop: rows and units at which it stopped; `None` as yet.
    """

    command: Command
    until: Until
    ends: tuple[int, ...]
    looks: tuple[int, ...]
    done: int = 0
    stop: tuple[int, int] | None = None

    @classmethod
    def of(cls, command: Command, data: rows.Dataset) -> Watch:
        """A question with a stopping rule.

        Raises:
            DiagnosticError: CQ947, the data have too few units for one look, or none that could be narrow enough.
        """
        until = cast(Until, command.options.until)
        labels = rows.clusters(data)
        ends = _ends(labels, data.n)
        allowed = len(ends)
        if until.most is not None:
            counted = until.counted == "rows"
            allowed = sum(e <= until.most for e in ends) if counted else min(allowed, until.most)
        if not allowed:
            message = f"`{until}` can never hold: the first {'row' if labels is None else 'cluster'} is more than that"
            raise error("CQ947", message, until.span or command.span, help="allow more rows")
        sizes = [b - a for a, b in zip((0, *ends), ends, strict=False)]
        made = replace(until, horizon=math.ceil(allowed / _NARROWEST), largest=max(sizes))
        _reachable(_with(command, replace(command.options, until=made)), made, sizes[:allowed])
        return cls(_with(command, replace(command.options, until=made)), made, ends, tuple(looks(allowed)))

    @property
    def over(self) -> bool:
        """Whether nothing more is to be run for it."""
        return self.stop is not None or self.done == len(self.looks)

    def hears(self, table: OutcomeTable) -> None:
        """Look at the outcomes of the first rows, at every look that they reach."""
        while not self.over and self.ends[self.looks[self.done] - 1] <= table.n:
            units = self.looks[self.done]
            self.done += 1
            if self._holds(first_rows(table, self.ends[units - 1])):
                self.stop = self.ends[units - 1], units

    def _holds(self, table: OutcomeTable) -> bool:
        options = self.command.options
        try:
            samples = [sample_of(q.expr, table) for q in queries_of(self.command)]
            if isinstance(self.command, Testing):
                claims, correction, alpha = self.command.claims, self.command.correction, self.command.alpha
                return all_decided(decide(samples, claims, correction, alpha, options))
            return narrow_enough(self.until, [infer(s, options) for s in samples])
        except DiagnosticError as problem:
            if {d.code for d in problem.diagnostics} <= _LATER:
                return False
            raise

    def result(self, table: OutcomeTable) -> tuple[Command, OutcomeTable, Stopped, tuple[Diagnostic, ...]]:
        """The question with its rows: those up to where it stopped, else all whole units that were run."""
        self.hears(table)
        last = self.looks[-1]
        reached = min(sum(e <= table.n for e in self.ends), last)
        used, units = self.stop if self.stop is not None else (self.ends[reached - 1] if reached else table.n, reached)
        cut = first_rows(table, used)
        cut = replace(cut, elsewhere={**table.elsewhere, self.command.data: self.ends[-1]})  # of references: all rows
        mine, all_units = (None, None) if table.cluster is None else (units, len(self.ends))
        stopped = Stopped(str(self.until), self.stop is not None, used, self.ends[-1], mine, all_units, self.done)
        if self.stop is not None or not table.complete:
            return self.command, cut, stopped, ()
        unmet = warning(
            "CQ952",
            f"`{self.until}` did not hold within {used} rows, all that it allows",
            self.until.span or self.command.span,
            help="the intervals hold all the same; more rows, or a rule that asks for less, may end the run",
        )
        return self.command, cut, stopped, (unmet,)


_LATER = {"CQ711"}
"""A condition or group that the rows so far leave empty may have rows at the next look."""


def _reachable(command: Command, until: Until, sizes: Sequence[int]) -> None:
    """Refuse a width of probabilities that no outcomes reach: bets on rows that all agree are the surest.

    Raises:
        DiagnosticError: CQ947.
    """
    for query in queries_of(command) if until.width is not None else ():
        combine, moments = compile_estimand(query.expr)
        if not moments or not all(m.event and m.condition is None and not any(draws_in(m.value)) for m in moments):
            continue
        n = sum(sizes)
        alike = Sample(
            np.zeros((n, len(moments))),
            np.ones((n, len(moments)), np.bool_),
            (True,) * len(moments),
            combine,
            np.repeat(np.arange(len(sizes)), sizes),
            None if command.data.weight is None else np.ones(n),
        )
        best = infer(alike, command.options).interval
        if best is not None and best.high - best.low >= cast(float, until.width):
            raise error(
                "CQ947",
                f"`{until}` can never hold: if all {n} rows agreed, it would be {best.high - best.low:.3g} wide",
                until.span or command.span,
                help="ask for a wider interval, or allow more rows",
            )


def _with(command: Command, options: Options) -> Command:
    return replace(command, options=options)


def _ends(labels: list[Any] | None, n: int) -> tuple[int, ...]:
    """How many rows the first unit has, the first two, and so on; rows of a cluster stand together."""
    if labels is None:
        return tuple(range(1, n + 1))
    return (*(i for i in range(1, n) if labels[i] != labels[i - 1]), n)


def first_rows(table: OutcomeTable, n: int) -> OutcomeTable:
    """The first `n` rows of a table."""
    if n >= table.n:
        return table

    def cut(values: NDArray[Any] | None) -> Any:
        return None if values is None else values[:n]

    return replace(
        table,
        rows=cut(table.rows),
        cells={c: cut(v) for c, v in table.cells.items()},
        cluster=cut(table.cluster),
        weight=cut(table.weight),
        columns={name: cut(v) for name, v in table.columns.items()},
    )


@dataclass(slots=True, eq=False)
class Watches:
    """All questions on one data set in random order.

    Attributes:
        data, columns: the rows, all of them and what conditions read. each: by the question as it was asked.
    """

    data: rows.Dataset
    columns: rows.Dataset
    each: dict[int, Watch] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: Iterable[Command], data: rows.Dataset, columns: rows.Dataset) -> Watches:
        """The questions with stopping rules among those on some data.

        Raises:
            DiagnosticError: CQ947.
        """
        return cls(data, columns, {id(c): Watch.of(c, data) for c in asked if c.options.until is not None})

    def enough(self, done: int, cells: Mapping[Cell, NDArray[Any]]) -> bool:
        """Whether every question can stop, after so many rows."""
        from causalcircuit.engine.outcomes import make_table

        if done and any(not w.over for w in self.each.values()):
            table = make_table(self.data, {c: v[:done] for c, v in cells.items()}, {}, done, True)
            table = replace(table, columns={**table.columns, **arrays(self.columns, table)})
            for watch in self.each.values():
                watch.hears(table)
        return all(w.over for w in self.each.values())


def watches_of(task: Task) -> Watches | None:
    """The watches of a task, where a question on it has a stopping rule.

    Raises:
        DiagnosticError: CQ947; CQ951, worlds that are run beside the engine do not stop.
    """
    ruled = [c for c in task.asked if c.options.until is not None]
    if not ruled:
        return None
    if task.rewiring is not None:
        place = ruled[0].options.until.span if ruled[0].options.until else None
        raise error("CQ951", "`until` ends no run of worlds with wires of circuits", place or ruled[0].span,
                    help="leave `until` out, or ask of worlds with assignments to sites")  # fmt: skip
    return Watches.of(ruled, task.data, task.columns)


def fixed_rows(command: Command, table: OutcomeTable, stopped: Stopped, number: int, width: float) -> int | None:
    """About how many rows a t interval of a fixed number of them needs to be as narrow as the sequence is."""
    if not isinstance(command, Estimation) or not stopped.met:
        return None
    plain = infer(
        sample_of(command.queries[number].expr, table), replace(command.options, until=None, method="default")
    )
    if plain.interval is None or not width > 0:
        return None
    return max(2, math.ceil(table.n * ((plain.interval.high - plain.interval.low) / width) ** 2))
