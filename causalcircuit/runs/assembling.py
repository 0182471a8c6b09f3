"""From the tables of a run to its result: each question is answered in turn, and all remarks are brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, DataRef, Estimate, OutcomeTable, Program, Result, Tested
from causalcircuit.query.discovery import Discovered, Discovering
from causalcircuit.query.examination import Examined
from causalcircuit.query.logs import Logging
from causalcircuit.query.regimes import Observing
from causalcircuit.query.showing import Showing, Shown
from causalcircuit.runs.alike import alike
from causalcircuit.runs.answer import answered
from causalcircuit.runs.logs import write_log
from causalcircuit.runs.manifest import Recorder, manifest
from causalcircuit.runs.progress import AfterPass
from causalcircuit.runs.show import show
from causalcircuit.runs.task import Task, labelled

if TYPE_CHECKING:
    from causalcircuit.engine.schedule import How
    from causalcircuit.runs.keeping import Keeping


@dataclass(slots=True)
class _Answers:
    """What the questions of a program came to, up to the one at which answering ended.

    Attributes:
        estimates, tested, displays, patterns, examinations: in the order in which they are asked.
        written: the files of logs.
        interrupted: whether Ctrl-C ended it. failed: the problem that did.
    """

    estimates: list[Estimate] = field(default_factory=list)
    tested: list[Tested] = field(default_factory=list)
    displays: list[Shown] = field(default_factory=list)
    patterns: list[Discovered] = field(default_factory=list)
    examinations: list[Examined] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    interrupted: bool = False
    failed: DiagnosticError | None = None


def assembled(
    program: Program,
    commands: list[Command],
    tasks: Mapping[DataRef, Task],
    tables: Mapping[DataRef, OutcomeTable],
    remarks: Iterable[Diagnostic],
    recorder: Recorder,
    keeping: Keeping,
    how: How,
) -> Result:
    """The result of the questions that tables answer.

    Args:
        program: for its names, its comments and its warnings. commands: its questions, as they were run.
        tasks: one for each data set. tables: those that were filled; fewer, or with fewer rows, after Ctrl-C.
        remarks: made before anything ran. recorder, keeping: of this run. how: passes were run.

    Raises:
        AfterPass: a question has no answer; its `result` has those before it, and the tables.
    """
    found = [*program.warnings, *remarks, *(note for task in tasks.values() for note in task.notes)]
    found.extend(note for table in tables.values() for note in table.notes)
    found.extend(note for ref, t in tables.items() for note in alike(tasks[ref].data, t, tasks[ref].asked))
    found.extend(keeping.remarks())
    missing = any(not t.complete for t in tables.values()) or len(tables) < len(tasks)
    made = _answers(program, commands, tasks, tables, how)
    result = Result(
        tuple(made.estimates),
        tuple(made.tested),
        tuple(dict.fromkeys(found)),
        labelled(tables),
        program.comments if program.asks and (commands or not program.commands) else (),
        interrupted=missing or made.interrupted,
        shown=tuple(made.displays),
        discoveries=tuple(made.patterns),
        examinations=tuple(made.examinations),
        manifest=manifest(program, tasks.values(), how) if tasks else {},
        run=recorder.said(tables.values()) if tasks else {},
        saved=tuple(dict.fromkeys(made.written)),
    )
    if made.failed is not None:
        raise AfterPass.of(made.failed, result) from None
    return result


def _answers(
    program: Program,
    commands: Iterable[Command],
    tasks: Mapping[DataRef, Task],
    tables: Mapping[DataRef, OutcomeTable],
    how: How,
) -> _Answers:
    """Answer each question that has a table; what ends this early is noted, and the answers before it remain."""
    made = _Answers()
    try:
        for command in commands:
            table = tables.get(command.data)
            if isinstance(command, Logging):
                if table is not None and table.complete:
                    made.written.append(write_log(command, table, program, [tasks[command.data]], how))
            elif table is not None and isinstance(command, Discovering):
                from causalcircuit.runs.discovering import discovered  # most programs have none

                made.patterns.append(discovered(command, table))
            elif table is not None and isinstance(command, Showing):
                made.displays += show(command, table, program.names)
            elif table is not None:
                more, judged = answered(command, table, program.names, tasks[command.data].watches)
                made.estimates += more
                made.tested += judged
                if isinstance(command, Observing) and command.examined is not None:
                    from causalcircuit.runs.examining import examined  # most programs ask for none

                    made.examinations.append(examined(command, command.examined, table))
    except KeyboardInterrupt:
        made.interrupted = True
    except DiagnosticError as problem:
        made.failed = problem
    return made
