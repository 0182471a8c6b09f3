"""Statements one at a time, as at a prompt: names and loaded models stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from causalcircuit.check import Checker, kind_of, read_source
from causalcircuit.check.values import Function
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Source
from causalcircuit.query import Result
from causalcircuit.query.forecast import Forecast
from causalcircuit.query.hub import Online
from causalcircuit.runs.check import check_program
from causalcircuit.runs.execute import Runner
from causalcircuit.runs.progress import AfterPass, Progress


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement did: a result if it asked, the names it declared, what was wrong; what it would cost."""

    result: Result | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    declared: tuple[str, ...] = ()
    forecast: Forecast | None = None


@dataclass(slots=True)
class Session:
    """A conversation: each text sees what earlier ones declared; a name may be declared anew.

    `online` says what of models on the hub may be downloaded.
    """

    folder: Path = field(default_factory=Path.cwd)
    checker: Checker = field(init=False)
    runner: Runner = field(default_factory=Runner)
    count: int = 0
    online: Online = ""

    def __post_init__(self) -> None:
        """Start with no names."""
        self.checker = Checker(self.folder.resolve(), redefine=True, online=self.online)

    def execute(self, text: str, progress: Progress | None = None) -> Outcome:
        """Read a text and answer what it asks; nothing is raised for a mistake in it."""
        self.count += 1
        return self._read(Source(f"<{self.count}>", text), progress)

    def load(self, path: Path, progress: Progress | None = None) -> Outcome:
        """Read a file as if it were typed; its relative paths are relative to it."""
        try:
            source = read_source(path)
        except DiagnosticError as problem:
            return Outcome(diagnostics=problem.diagnostics)
        self.checker.folder = path.resolve().parent
        return self._read(source, progress)

    def plan(self, text: str) -> Outcome:
        """Read a text, and say what answering it would cost; nothing is raised for a mistake in it."""
        from causalcircuit.runs.planning import PlanWishes, plan_program

        self.count += 1
        self.checker.found, self.checker.commands, self.checker.trials = [], [], []
        self.checker.identifications, self.checker.independences, self.checker.drawings = [], [], []
        self.checker.freezes = []
        self.checker.scope.failed.clear()
        try:
            program = check_program(self.checker.read(Source(f"<{self.count}>", text)))
            found = plan_program(program, PlanWishes(self.runner.how, self.runner.limit))
        except DiagnosticError as problem:
            return Outcome(diagnostics=problem.diagnostics)
        return Outcome(diagnostics=found.diagnostics, forecast=found)

    def names(self) -> dict[str, str]:
        """Every declared name with what it stands for."""
        return {name: kind_of(value) for name, (value, _) in self.checker.scope.names.items()}

    def function(self, name: str) -> str | None:
        """The text that declared a function; `None` where none of that name is declared."""
        value, _ = self.checker.scope.names.get(name, (None, None))
        return value.statement.text if isinstance(value, Function) else None

    def _read(self, source: Source, progress: Progress | None) -> Outcome:
        before = dict(self.checker.scope.names)
        self.checker.found, self.checker.commands = [], []
        self.checker.views, self.checker.savings, self.checker.trials = [], [], []
        self.checker.maps, self.checker.drawings = [], []
        self.checker.identifications, self.checker.independences = [], []
        self.checker.freezes = []
        self.checker.scope.failed.clear()
        try:
            program = check_program(self.checker.read(source))
            asked = self.runner.run(program, progress=progress) if program.asks else None
        except AfterPass as problem:
            return Outcome(problem.result, problem.diagnostics, self._new(before))
        except DiagnosticError as problem:
            return Outcome(diagnostics=problem.diagnostics, declared=self._new(before))
        shown = asked.diagnostics if asked is not None else program.warnings
        return Outcome(asked, tuple(shown), self._new(before))

    def _new(self, before: Mapping[str, object]) -> tuple[str, ...]:
        now = self.checker.scope.names
        return tuple(name for name, entry in now.items() if before.get(name) is not entry)
