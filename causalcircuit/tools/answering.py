"""`cq run`, `cq test` and `cq check`: from a file's name to what is printed and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error, warning
from causalcircuit.query import Program, Result, Testing
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.regimes import Observing
from causalcircuit.query.trials import Trial
from causalcircuit.tools import exits, streams
from causalcircuit.tools.ci import Reports
from causalcircuit.tools.progress import progress_bar
from causalcircuit.tools.sizes import bytes_of

if TYPE_CHECKING:
    from causalcircuit.query.hub import Online
    from causalcircuit.runs import AfterPass, Keep

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a run is to be done and shown.

    Attributes:
        machine: JSON instead of text.
        rows: a folder for the outcome tables.
        quiet: no progress bar and no explanations, only numbers, verdicts and diagnostics.
        tests_only: leave out the estimates; the exit code tells whether the named hypotheses hold.
        online: models on the hub that are not on this machine are downloaded.
        out: a folder for pictures and answers.
        html: a file for the page of a circuit.
        keep: whether outcomes are looked up in the store and kept there.
        memory: a limit, as written: `4GB`.
        how: whether passes share what they have in common.
        reports: of verdicts, for continuous integration.
    """

    machine: bool = False
    rows: Path | None = None
    quiet: bool = False
    tests_only: bool = False
    online: bool = False
    out: Path | None = None
    html: Path | None = None
    keep: Keep = "use"
    memory: str | None = None
    how: Literal["full", "naive"] = "full"
    reports: Reports = field(default_factory=Reports)


@dataclass(slots=True)
class _Answer:
    """What a run came to."""

    result: Result | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    code: int = exits.OK


def run(file: str, wishes: Wishes) -> int:
    """Answer a program, print the answers, and return the exit code."""
    answer = _answer(file, wishes)
    written = _save(answer, wishes.rows)
    drawn = [*_draw(answer, wishes.out), *_pages(answer, wishes.html)]
    interrupted = answer.code == exits.INTERRUPTED
    drawn += _report(file, answer, wishes.reports)
    if wishes.machine:
        streams.show_json(answer.result, answer.diagnostics, interrupted=interrupted)
        return answer.code
    if answer.result is not None:
        streams.show(answer.result, brief=wishes.quiet)
    streams.complain([*_own(answer.result, wishes.quiet), *answer.diagnostics])
    if interrupted:
        streams.say("interrupted" if answer.result else "interrupted: nothing was computed yet")
    if written and not wishes.quiet:
        streams.say(f"rows written: {', '.join(map(str, written))}")
    drawn = [*map(Path, answer.result.saved if answer.result is not None else ()), *drawn]
    if drawn and not wishes.quiet:
        streams.say(f"written: {', '.join(map(str, drawn))}")
    return answer.code


def _own(result: Result | None, brief: bool) -> tuple[Diagnostic, ...]:
    """The diagnostics that the printed report does not hold: a brief one holds none of those of single answers."""
    if result is None:
        return ()
    return result.remarks if brief else result.diagnostics


def check(files: Sequence[str], machine: bool, online: bool = False) -> int:
    """Check programs without running them, print what is wrong, and return the exit code.

    `online` downloads the settings of models on the hub, not their weights.
    """
    found: list[Diagnostic] = []
    for file in files:
        try:
            program = read(file, "settings" if online else "")
        except DiagnosticError as problem:
            found.extend(problem.diagnostics)
        else:
            found.extend(program.warnings)
            if not machine:
                streams.write(f"{_shown(file)}: {summary(program)}\n")
    if machine:
        streams.show_json(diagnostics=found)
    else:
        streams.complain(found)
    return exits.BEFORE if any(d.is_error for d in found) else exits.OK


def read(file: str, online: Online = "") -> Program:
    """The checked program of a file, or of standard input for `-`; `online` says what may be downloaded.

    Raises:
        DiagnosticError: everything that is wrong with it.
    """
    from causalcircuit import runs

    if file != STDIN:
        return runs.check(Path(file), online)
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error("CQ230", f"standard input cannot be read: {problem}", help="a program is text in UTF-8") from None
    return runs.check_text(text, _shown(file), Path.cwd(), online)


def summary(program: Program) -> str:
    """What a sound program holds, in a line."""
    claims = sum(len(c.claims) for c in (*program.commands, *program.trials) if isinstance(c, Testing | Trial))
    held = [c for c in program.commands if isinstance(c, Observing) and c.examined is not None]
    bare = [c for c in held if not c.asked]
    asked = [c for c in program.commands if not isinstance(c, Testing | Discovering) and c not in bare]
    estimates = sum(len(c.queries) for c in asked)
    counts = {"model": len(program.models), "estimate": estimates, "claim": claims}
    counts |= {"circuit": len(program.circuits)} if program.circuits else {}
    counts |= {"identification": len(program.identifications)} if program.identifications else {}
    looked = sum(isinstance(c, Discovering) for c in program.commands)
    counts |= {"discovery": looked} if looked else {}
    counts |= {"model check": len(held)} if held else {}
    counts |= {"independence": len(program.independences)} if program.independences else {}
    return "sound; " + ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items())


def _shown(file: str) -> str:
    return "<stdin>" if file == STDIN else file


def _answer(file: str, wishes: Wishes) -> _Answer:
    try:
        from causalcircuit import runs

        wishes.reports.check()
        program = read(file, "all" if wishes.online else "")
        for folder in (wishes.rows, wishes.out):
            if folder is not None:
                runs.make_folder(folder)
        idle = _idle(program, wishes.tests_only)
        limit = None if wishes.memory is None else bytes_of(wishes.memory)
        with progress_bar(wanted=not wishes.quiet) as heard:
            result = runs.run_program(
                program, tests_only=wishes.tests_only, progress=heard, keep=wishes.keep, how=wishes.how, limit=limit
            )
    except KeyboardInterrupt:
        return _Answer(code=exits.INTERRUPTED)
    except DiagnosticError as problem:
        return _failed(problem)
    if result.interrupted:
        return _Answer(result, idle, exits.INTERRUPTED)
    return _Answer(result, idle, exits.NOT_SUPPORTED if wishes.tests_only and not result.holds else exits.OK)


def _failed(problem: DiagnosticError | AfterPass) -> _Answer:
    from causalcircuit.runs import AfterPass

    if isinstance(problem, AfterPass):
        return _Answer(problem.result, problem.diagnostics, exits.AFTER)
    return _Answer(None, problem.diagnostics, exits.BEFORE)


def _idle(program: Program, tests_only: bool) -> tuple[Diagnostic, ...]:
    """A remark where a program asks nothing.

    Raises:
        DiagnosticError: CQ391, tests are asked for and there are none: to succeed would be misleading.
    """
    where = program.source.name if program.source is not None else ""
    if tests_only and not program.trials and not any(isinstance(c, Testing) for c in program.commands):
        raise error(
            "CQ391",
            "there is nothing to test",
            where=where,
            help="add a `test` statement, such as `test effect < 0 logit on d`; `cq run` answers `estimate`",
        )
    if program.asks:
        return ()
    way = "add an `estimate` or a `test` statement"
    if program.circuits:
        way = f"{way}, or `show {next(iter(program.circuits))}`: nothing is attributed before it is asked for"
    return (warning("CQ390", "nothing is asked", where=where, help=way),)


def _save(answer: _Answer, folder: Path | None) -> list[Path]:
    """Write the outcome tables where that was asked; a failure joins the answer."""
    if folder is None or answer.result is None:
        return []
    from causalcircuit.runs import save_rows

    try:
        return save_rows(answer.result, folder)
    except DiagnosticError as problem:
        answer.diagnostics += problem.diagnostics
        answer.code = exits.AFTER
        return []


def _draw(answer: _Answer, folder: Path | None) -> list[Path]:
    """Write pictures and answers where that was asked; a failure joins the answer."""
    if folder is None or answer.result is None:
        return []
    from causalcircuit.report import pictures, to_json

    files = {**pictures(answer.result), "results.json": to_json(answer.result, answer.diagnostics).encode()}
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as problem:
        way = "name another folder"
        failed = error("CQ720", f"nothing can be written to `{folder}`: {problem.strerror}", help=way)
        answer.diagnostics += failed.diagnostics
        answer.code = exits.AFTER
        return []
    return [folder / name for name in files]


def _report(file: str, answer: _Answer, reports: Reports) -> list[Path]:
    """Write the reports of verdicts that are asked for; a failure joins the answer."""
    if any(d.code == "CQ939" for d in answer.diagnostics):
        return []  # a place was tried, and cannot be written
    interrupted = answer.code == exits.INTERRUPTED
    try:
        return reports.write(_shown(file), answer.result, answer.diagnostics, answer.code, interrupted)
    except DiagnosticError as problem:
        answer.diagnostics += problem.diagnostics
        answer.code = exits.AFTER
        return []


def _pages(answer: _Answer, html: Path | None) -> list[Path]:
    """Write the pages of circuits where that was asked; a failure joins the answer."""
    if html is None or answer.result is None:
        return []
    from causalcircuit.tools.picture import pages

    try:
        written, said = pages(answer.result, html)
    except DiagnosticError as problem:
        answer.diagnostics += problem.diagnostics
        answer.code = exits.AFTER
        return []
    answer.diagnostics += said
    return written
