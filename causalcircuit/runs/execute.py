"""From a checked program to its result: one plan and one table for each data set, shared by all its questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, DataRef, Estimation, ModelRef, OutcomeTable, Program, Result
from causalcircuit.runs.assembling import assembled
from causalcircuit.runs.columns import arrays, with_columns
from causalcircuit.runs.further import completed
from causalcircuit.runs.keeping import Keep, Keeping
from causalcircuit.runs.manifest import Recorder, machine
from causalcircuit.runs.progress import AfterPass, Progress
from causalcircuit.runs.rewiring import Rewiring, split
from causalcircuit.runs.sequential import in_random_order, watches_of
from causalcircuit.runs.spread import spread
from causalcircuit.runs.standing import held, stand
from causalcircuit.runs.task import Task, found_in_store, of_rows, remember

if TYPE_CHECKING:
    from causalcircuit.engine.schedule import How
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.circuits import Circuits

PASS_POSITIONS = 2048
"""Positions a pass, unless memory is limited."""


@dataclass(slots=True)
class Runner:
    """Runs programs; keeps loaded models between them.

    Attributes:
        models: those that were loaded. keep: whether outcomes are looked up in the store, and kept there.
        how: whether passes share what they have in common. limit: bytes that weights and passes may take.
    """

    models: dict[ModelRef, LoadedModel] = field(default_factory=dict)
    keep: Keep = "use"
    how: How = "full"
    limit: int | None = None
    _keeping: Keeping | None = None

    def run(self, program: Program, *, tests_only: bool = False, progress: Progress | None = None) -> Result:
        """Answer all questions of a program (see `run_program`)."""
        locked = held(program, self.keeping)
        commands = [c for c in program.commands if not (tests_only and isinstance(c, Estimation))]
        circuits = self._circuits(program, commands, progress)
        if circuits is not None:
            commands = circuits.resolved(commands)
            program = replace(program, names={**program.names, **circuits.names})
        commands, remarks = spread(commands, program, lambda name: self._model(program.models[name]))
        commands = in_random_order(commands)
        tasks = self._prepare(commands, program)
        self._positions(tasks)  # a limit that holds no row is known before anything runs
        wanted = bool(tasks or program.views or program.savings or program.trials)
        recorder = Recorder(self.keeping().ledger if wanted else None, program, tests_only=tests_only)
        try:
            tables = self._fill(tasks, progress)
            result = assembled(program, commands, tasks, tables, remarks, recorder, self.keeping(), self.how)
            result = completed(result, program, commands, circuits, self._model, progress, tests_only=tests_only)
            if circuits is not None and wanted:
                result = circuits.told(result, tasks.values(), recorder, self.how)
            result = stand(result, program, locked, self._keeping)
        except DiagnosticError as problem:
            recorder.ended("failed", problem.result if isinstance(problem, AfterPass) else None)
            raise
        recorder.ended("interrupted" if result.interrupted else "done", result)
        return result

    def _circuits(self, program: Program, commands: Iterable[Command], progress: Progress | None) -> Circuits | None:
        """What makes the circuits of a program that asks for some."""
        from causalcircuit.runs.circuits import has_wires

        if program.circuits or program.views or program.savings or program.trials or any(map(has_wires, commands)):
            return self.circuits(program, progress)
        return None

    def circuits(self, program: Program, progress: Progress | None = None) -> Circuits:
        """What makes the circuits of a program."""
        from causalcircuit.runs.circuits import Circuits

        load = lambda name: self._model(program.models[name])  # noqa: E731
        return Circuits(program, load, self.keeping(), progress, self.limit)

    def keeping(self) -> Keeping:
        """The store, opened when it is first needed."""
        if self._keeping is None:
            self._keeping = Keeping.opened(self.keep)
        return self._keeping

    def close(self) -> None:
        """Let go of the store."""
        if self._keeping is not None:
            self._keeping.close()
        self._keeping = None

    def _prepare(self, commands: list[Command], program: Program) -> dict[DataRef, Task]:
        """Load rows, look outcomes up, and where some are missing load models and prepare everything.

        What can be wrong is said before any pass.
        """
        from causalcircuit.engine.plan import make_plan

        groups: dict[DataRef, list[Command]] = {}
        for command in commands:
            groups.setdefault(command.data, []).append(command)
        out: dict[DataRef, Task] = {}
        problems: list[Diagnostic] = []
        for ref, asked in groups.items():
            try:
                data = rows.load(ref)
                queries = [q.expr for c in asked for q in queries_of(c)]
                plain, others = split(queries)
                plan = make_plan(
                    plain if others else queries, data, {name: sites(ref) for name, ref in program.models.items()}
                )
                keys = self.keeping().keys(data, program.models, self.how)
                shelf = self.keeping().shelf(keys)
                rewiring = Rewiring(others, data, shelf) if others else None
                names = dict.fromkeys((*plan.models, *(() if rewiring is None else rewiring.models)))
                models = {name: program.models[name] for name in names}
                task = Task(with_columns(data, asked), data, plan, tuple(asked), models, keys, shelf, rewiring=rewiring)
                task.watches = watches_of(task)
                if not models and not plan.cells:  # a function in Python of columns is a cell
                    task.table = of_rows(task)
                elif not found_in_store(task):
                    self._load(task)
                out[ref] = task
            except DiagnosticError as problem:
                problems.extend(d.at(asked[0].span) for d in problem.diagnostics)
        DiagnosticError.raise_if(problems)
        return out

    def _load(self, task: Task) -> None:
        """Load the models of a task, and prepare its worlds."""
        from causalcircuit.engine import prepare

        contents = self.keeping().contents
        for ref in task.models.values():
            contents.weights(ref)
        models = {name: self._model(ref) for name, ref in task.models.items()}
        changed = [name for name, ref in task.models.items() if not contents.unchanged(ref)]
        if changed:
            task.shelf = None  # its files changed while it was loaded: which of them it has is not known
        task.ready = prepare(task.plan, {name: models[name] for name in task.plan.models}, task.data)
        task.machine = machine()

    def _model(self, ref: ModelRef) -> LoadedModel:
        if ref not in self.models:
            from causalcircuit.models import load, with_dictionaries

            bare = replace(ref, dictionaries=())
            if bare not in self.models:
                self.models[bare] = load(bare)
            self.models[ref] = with_dictionaries(self.models[bare], ref)
        return self.models[ref]

    def _fill(self, tasks: Mapping[DataRef, Task], progress: Progress | None) -> dict[DataRef, OutcomeTable]:
        """Run the plans one after another; after Ctrl-C those and the rows that are done remain."""
        total = sum(t.pairs for t in tasks.values() if t.table is None)
        before = 0
        most = self._positions(tasks)
        tables: dict[DataRef, OutcomeTable] = {}
        for ref, task in tasks.items():
            start = time.perf_counter()

            def heard(done: int, of: int, base: int = before, label: str = ref.label) -> None:
                if progress is not None:
                    progress(base + done, total, label)

            try:
                table = self._table(task, heard, most)
            except DiagnosticError as problem:
                raise AfterPass.of(problem, None) from None
            except KeyboardInterrupt:
                break
            if task.table is None:
                before += task.pairs
            cost = {**table.cost, "seconds": time.perf_counter() - start}
            tables[ref] = replace(table, columns={**table.columns, **arrays(task.columns, table)}, cost=cost)
            if not table.complete:
                break
        return {ref: t for ref, t in tables.items() if t.n > 0}

    def _positions(self, tasks: Mapping[DataRef, Task]) -> int:
        """How many positions a pass may have.

        Raises:
            DiagnosticError: CQ761, the limit holds no row.
        """
        ready = [t.ready for t in tasks.values() if t.ready is not None]
        if self.limit is None or not ready:
            return PASS_POSITIONS
        from causalcircuit.engine.cost.limit import positions_for

        return positions_for(ready, self.limit)

    def _table(self, task: Task, heard: Callable[[int, int], None], most: int) -> OutcomeTable:
        """The outcomes of a task: found whole, or run as far as they are not known."""
        if task.table is not None:
            return task.table
        from causalcircuit.engine import execute

        if task.ready is None:
            raise TypeError("a task that was not prepared")
        enough = None if task.watches is None else task.watches.enough
        table = execute(task.ready, heard, most, self.how, task.shelf, enough)
        if task.rewiring is not None:
            table = self._rewired(task, task.rewiring, table, heard, most)
        if table.complete and table.n == task.data.n:
            remember(task, table)
        return table

    def _rewired(
        self, task: Task, rewiring: Rewiring, table: OutcomeTable, heard: Callable[[int, int], None], most: int
    ) -> OutcomeTable:
        """A table with what is read in worlds with wires of circuits."""
        before = task.plan.row_passes
        models = {name: self._model(task.models[name]) for name in rewiring.models}
        if table.complete:
            with suppress(KeyboardInterrupt):  # what was done remains
                rewiring.run(models, lambda done, of: heard(before + done, of), None if self.limit is None else most)
        return rewiring.joined(table)


def run_program(
    program: Program,
    *,
    tests_only: bool = False,
    progress: Progress | None = None,
    keep: Keep = "use",
    how: How = "full",
    limit: int | None = None,
) -> Result:
    """Answer the questions of a checked program.

    All questions on the same data share one plan and one table. After Ctrl-C the result holds what the
    completed rows say, with `interrupted` set.

    Args:
        program: from `check`.
        tests_only: leave out the estimates.
        progress: hears how many rows × worlds are done.
        keep: whether outcomes are looked up in the store and kept there.
        how: whether passes share what they have in common (`full`), or every world runs whole (`naive`).
        limit: bytes that weights and passes may take; passes become smaller.

    Raises:
        AfterPass: something went wrong after the first forward pass.
        DiagnosticError: something is wrong that could be known before it.
    """
    runner = Runner(keep=keep, how=how, limit=limit)
    try:
        return runner.run(program, tests_only=tests_only, progress=progress)
    finally:
        runner.close()
