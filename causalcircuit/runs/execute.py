"""From a checked program to its result: one plan and one table for each data set, shared by all its questions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.query import (
    Column,
    Command,
    DataRef,
    Estimate,
    Estimation,
    ModelRef,
    OutcomeTable,
    Program,
    Result,
    Tested,
    columns,
    compile_estimand,
    render,
)
from causalcircuit.query.showing import Showing, Shown
from causalcircuit.runs.answer import answer
from causalcircuit.runs.show import show
from causalcircuit.runs.spread import spread

if TYPE_CHECKING:
    from causalcircuit.engine import Prepared
    from causalcircuit.models import LoadedModel


class Progress(Protocol):
    """Hears how far a run is: `done` of `total` rows × worlds."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note."""


class AfterPass(DiagnosticError):  # noqa: N818 - when, not what: its diagnostics say what
    """Something went wrong after the first forward pass; `result` holds what was done before."""

    result: Result | None = None


@dataclass(slots=True)
class Runner:
    """Runs programs; keeps loaded models between them."""

    models: dict[ModelRef, LoadedModel] = field(default_factory=dict)

    def run(self, program: Program, *, tests_only: bool = False, progress: Progress | None = None) -> Result:
        """Answer all questions of a program (see `run_program`)."""
        commands = [c for c in program.commands if not (tests_only and isinstance(c, Estimation))]
        commands, remarks = spread(commands, program, lambda name: self._model(program.models[name]))
        prepared = self._prepare(commands, program)
        tables = self._fill(prepared, progress)
        estimates: list[Estimate] = []
        tested: list[Tested] = []
        displays: list[Shown] = []
        found = [*program.warnings, *remarks, *(note for ready, _ in prepared.values() for note in ready.notes)]
        found.extend(note for table in tables.values() for note in table.notes)
        interrupted = any(not t.complete for t in tables.values()) or len(tables) < len(prepared)
        failed: DiagnosticError | None = None
        try:
            for command in commands:
                table = tables.get(command.data)
                if table is not None and isinstance(command, Showing):
                    displays += show(command, table, program.names)
                elif table is not None:
                    more, judged = answer(command, table, program.names)
                    estimates += more
                    tested += judged
        except KeyboardInterrupt:
            interrupted = True
        except DiagnosticError as problem:
            failed = problem
        result = Result(
            tuple(estimates),
            tuple(tested),
            tuple(dict.fromkeys(found)),
            _labelled(tables),
            program.comments if commands else (),
            interrupted=interrupted,
            shown=tuple(displays),
        )
        if failed is not None:
            raise self._after(failed, result) from None
        return result

    def _prepare(self, commands: list[Command], program: Program) -> dict[DataRef, tuple[Prepared, rows.Dataset]]:
        """Load rows and models, plan and prepare everything; what can be wrong is said before any pass."""
        from causalcircuit.engine import make_plan, prepare

        groups: dict[DataRef, list[Command]] = {}
        for command in commands:
            groups.setdefault(command.data, []).append(command)
        out: dict[DataRef, tuple[Prepared, rows.Dataset]] = {}
        problems: list[Diagnostic] = []
        for ref, asked in groups.items():
            try:
                data = rows.load(ref)
                queries = [q.expr for c in asked for q in queries_of(c)]
                plan = make_plan(queries, data, {name: sites(ref) for name, ref in program.models.items()})
                models = {name: self._model(program.models[name]) for name in plan.models}
                out[ref] = prepare(plan, models, data), _with_columns(data, asked)
            except DiagnosticError as problem:
                problems.extend(d.at(asked[0].span) for d in problem.diagnostics)
        DiagnosticError.raise_if(problems)
        return out

    def _model(self, ref: ModelRef) -> LoadedModel:
        if ref not in self.models:
            from causalcircuit.models import load, with_dictionaries

            bare = replace(ref, dictionaries=())
            if bare not in self.models:
                self.models[bare] = load(bare)
            self.models[ref] = with_dictionaries(self.models[bare], ref)
        return self.models[ref]

    def _fill(
        self, prepared: Mapping[DataRef, tuple[Prepared, rows.Dataset]], progress: Progress | None
    ) -> dict[DataRef, OutcomeTable]:
        """Run the plans one after another; after Ctrl-C those and the rows that are done remain."""
        from causalcircuit.engine import execute

        total = sum(p.plan.row_passes for p, _ in prepared.values())
        before = 0
        tables: dict[DataRef, OutcomeTable] = {}
        for ref, (ready, data) in prepared.items():
            start = time.perf_counter()

            def heard(done: int, of: int, base: int = before, label: str = ref.label) -> None:
                if progress is not None:
                    progress(base + done, total, label)

            try:
                table = execute(ready, progress=heard)
            except DiagnosticError as problem:
                raise self._after(problem, None) from None
            except KeyboardInterrupt:
                break
            before += ready.plan.row_passes
            cost = {**table.cost, "seconds": time.perf_counter() - start}
            tables[ref] = replace(table, columns={**table.columns, **_arrays(data, table)}, cost=cost)
            if not table.complete:
                break
        return {ref: t for ref, t in tables.items() if t.n > 0}

    @staticmethod
    def _after(problem: DiagnosticError, result: Result | None) -> AfterPass:
        late = AfterPass(*problem.diagnostics)
        late.result = result
        return late


def run_program(program: Program, *, tests_only: bool = False, progress: Progress | None = None) -> Result:
    """Answer the questions of a checked program.

    All questions on the same data share one plan and one table. After Ctrl-C the result holds what the
    completed rows say, with `interrupted` set.

    Args:
        program: from `check`.
        tests_only: leave out the estimates.
        progress: hears how many rows × worlds are done.

    Raises:
        AfterPass: something went wrong after the first forward pass.
        DiagnosticError: something is wrong that could be known before it.
    """
    return Runner().run(program, tests_only=tests_only, progress=progress)


def _labelled(tables: Mapping[DataRef, OutcomeTable]) -> dict[str, OutcomeTable]:
    """Tables by their data's label; data of one name, from several files, are told apart by a number."""
    out: dict[str, OutcomeTable] = {}
    for ref, table in tables.items():
        label, k = ref.label, 2
        while label in out:
            label, k = f"{ref.label}_{k}", k + 1
        out[label] = table
    return out


def _with_columns(data: rows.Dataset, commands: Iterable[Command]) -> rows.Dataset:
    """The data with just the columns that conditions, events and groups read."""
    wanted: dict[str, None] = {}
    for command in commands:
        for query in queries_of(command):
            for moment in compile_estimand(query.expr)[1]:
                for part in (moment.value, moment.condition):
                    wanted.update(dict.fromkeys(columns(part) if part is not None else ()))
        if isinstance(command, Estimation) and command.per is not None:
            wanted[command.per.name] = None
            _check_groups(command.per, data)
    return rows.Dataset(data.ref, {name: data.column(name) for name in wanted}, data.rows)


def _check_groups(per: Column, data: rows.Dataset) -> None:
    """Refuse a column of `per` with cells that name no group: its rows would be in none."""
    values = data.column(per.name, per.span)
    bad = [i for i, v in enumerate(values) if v is None or isinstance(v, list | dict)]
    if bad:
        others = f" and {len(bad) - 1} more rows" if len(bad) > 1 else ""
        raise error(
            "CQ404",
            f"`{render(per)}` names no group in row {data.rows[bad[0]]}{others}: it holds {values[bad[0]]!r:.40}",
            per.span,
            help='give such rows a value in the file, such as "unknown"',
        )


def _arrays(data: rows.Dataset, table: OutcomeTable) -> dict[str, Any]:
    """Columns as arrays over the table's rows: float64 for numbers and truth values, else objects."""
    place = {row: i for i, row in enumerate(data.rows)}
    chosen = [place[int(r)] for r in table.rows]
    out: dict[str, Any] = {}
    for name, values in data.columns.items():
        kept = [values[i] for i in chosen]
        if all(isinstance(v, int | float) for v in kept):
            out[name] = np.array(kept, dtype=np.float64)
        else:
            array = np.empty(len(kept), dtype=object)
            array[:] = kept
            out[name] = array
    return out
