"""Programs from Python: whole ones by `cq.program`, `cq.run` and `cq.plan`, and those that one question makes.

`cq.estimate`, `cq.test` and their like end in `answer` or `answers`: their commands become a program of nothing else,
which is held against the same rules as a `.cq` file before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import causalcircuit.runs as rooms
from causalcircuit.api.addresses import trust_told
from causalcircuit.api.quantities import Models
from causalcircuit.check import examine
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, Program, Result
from causalcircuit.query.forecast import Forecast
from causalcircuit.runs import Progress


def program(path_or_text: str | Path) -> Program:
    """A checked program from a `.cq` file, or from a text.

    A string with a line break, or one that does not end in `.cq`, is a text; its paths are relative to the
    current folder.

    Raises:
        DiagnosticError: everything that is wrong with it.
    """
    if isinstance(path_or_text, Path) or ("\n" not in path_or_text and path_or_text.endswith(".cq")):
        return rooms.check(Path(path_or_text))
    return rooms.check_text(path_or_text)


def run(
    path_or_text: str | Path | Program,
    *,
    plan: Literal["full", "naive"] = "full",
    max_memory: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Answer everything that a `.cq` file, or a text, asks (see `program`).

    Args:
        path_or_text: as of `program`, or what that returned.
        plan: `naive` shares nothing between worlds; its numbers are those of `full`, but for rounding.
        max_memory: bytes that weights and passes may take.
        progress: hears how many rows × worlds are done.

    Raises:
        DiagnosticError: what is wrong, before any forward pass (CQ761, the limit holds no row); `AfterPass` after one.
    """
    return rooms.run_program(_checked(path_or_text), progress=progress, how=plan, limit=max_memory)


def plan(
    path_or_text: str | Path | Program,
    *,
    pilot: int = 0,
    power: float | None = None,
    analyze: bool = False,
    max_memory: int | None = None,
    plan: Literal["full", "naive"] = "full",
    progress: Progress | None = None,
) -> Forecast:
    """What answering a program will cost: worlds, passes, operations, memory, time, the width of intervals.

    No weights are read and no pass is made, unless `pilot` or `analyze` asks for it.

    Args:
        path_or_text: as of `program`, or what that returned.
        pilot: so many rows are run, and their intervals scaled to all. analyze: everything is run.
        power: the chance of each verdict is said, and what it takes to have this one.
        max_memory: bytes that weights and passes may take. plan: `naive` shares nothing between worlds.
        progress: hears how many rows × worlds of a pilot, or of the run, are done.

    Raises:
        DiagnosticError: what is wrong with the program; CQ761, the limit holds no row; CQ762, a plan that needs
            weights which are not there; CQ763, a pilot of one row; CQ945, a power that is none.
    """
    wishes = rooms.PlanWishes(plan, max_memory, pilot, analyze, power)
    return rooms.plan_program(_checked(path_or_text), wishes, progress)


def _checked(asked: str | Path | Program) -> Program:
    return asked if isinstance(asked, Program) else program(asked)


def answer(command: Command, models: Models, progress: Progress | None, notes: Sequence[Diagnostic] = ()) -> Result:
    """The answer to one command, held against the rules first."""
    return rooms.run_program(checked_alone([command], models, notes), progress=progress)


def answers(
    commands: Sequence[Command], models: Models, progress: Progress | None, notes: Sequence[Diagnostic] = ()
) -> Result:
    """The answers to some commands, held against the rules first."""
    return rooms.run_program(checked_alone(commands, models, notes), progress=progress)


def checked_alone(commands: Sequence[Command], models: Models, notes: Sequence[Diagnostic]) -> Program:
    """A program of nothing else, held against the rules."""
    found = [*trust_told(models), *notes, *(d for command in commands for d in examine(command, models))]
    DiagnosticError.raise_if(found)
    data = {command.data.label: command.data for command in commands}
    made = Program(models, data, commands=tuple(commands), warnings=tuple(dict.fromkeys(found)))
    return rooms.check_program(made)
