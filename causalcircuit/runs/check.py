"""Everything that can be said of a program before a model is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import causalcircuit.check as rooms
from causalcircuit.check.across import across
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.inference import (
    DEFAULT_RESAMPLES,
    ESTIMATORS,
    check_options,
    check_regions,
    check_resamples,
    check_trial,
    is_estimator,
)
from causalcircuit.query import Command, Estimation, Program, Testing, unit_of
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.families import drawn_together
from causalcircuit.query.hub import Online
from causalcircuit.query.logs import Logging
from causalcircuit.query.regimes import Observing
from causalcircuit.query.showing import Showing, simultaneous
from causalcircuit.query.units import WRITTEN


def check(path: Path, online: Online = "") -> Program:
    """A checked program from its file; `online` says what of its models may be downloaded.

    Raises:
        DiagnosticError: everything that is wrong with it, at once.
    """
    return check_program(rooms.check_file(path, online))


def check_text(text: str, name: str = "<text>", folder: Path | None = None, online: Online = "") -> Program:
    """A checked program from its text; relative paths are relative to `folder`, by default the current one.

    Args:
        text: the program. name: how messages call it. online: what of its models may be downloaded.

    Raises:
        DiagnosticError: everything that is wrong with it, at once.
    """
    return check_program(rooms.check_text(text, name, folder, online))


def check_program(program: Program) -> Program:
    """The program with the remarks on its estimators.

    Raises:
        DiagnosticError: an estimator is asked for that cannot do what it should (CQ6xx).
    """
    found = [d for command in program.commands for d in check_command(command)]
    found += [d for trial in program.trials for d in check_trial(trial)]
    found += across(program.commands)
    if any(isinstance(c, Testing) and c.under is not None for c in program.commands):
        from causalcircuit.runs.locking import check_locks  # most programs name none

        found += check_locks(program)
    DiagnosticError.raise_if([*program.warnings, *found] if any(d.is_error for d in found) else found)
    return replace(program, warnings=(*program.warnings, *found))


def check_command(command: Command) -> list[Diagnostic]:
    """What is to be said of a command's estimator, each remark once."""
    found: dict[Diagnostic, None] = {}
    if isinstance(command, Discovering):
        return []  # it has options of its own
    options = command.options
    if isinstance(command, Logging):
        from causalcircuit.runs.logs import ours

        return ours(command)
    if isinstance(command, Showing):  # each interval is one of a family
        options = replace(options, level=simultaneous(options.level, len(command.queries)))
    if isinstance(command, Testing | Showing) and drawn_together(command.correction):
        found.update({d.at(command.span): None for d in _seeded(command)})
        random = is_estimator(options.method) and ESTIMATORS[options.method].random
        options = options if random or options.until is not None else replace(options, seed=None)
    found.update(dict.fromkeys(check_rule(command)))
    if isinstance(command, Observing) and command.against:
        options = replace(options, seed=None)  # the seed of the refuters: the interval draws nothing
    for query in command.asked if isinstance(command, Observing) else rooms.queries_of(command):
        place = query.span or command.span
        found.update({d.at(place): None for d in check_options(query.expr, options, command.data)})
    if not isinstance(command, Estimation) and is_estimator(options.method) and ESTIMATORS[options.method].random:
        two_sided = any(c.region.outside for c in command.claims)
        m, resamples = len(command.claims), options.resamples or DEFAULT_RESAMPLES
        remarks = check_resamples(m, command.alpha, two_sided, resamples, options.method, command.correction)
        found.update({d.at(command.span): None for d in remarks})
    if not isinstance(command, Estimation):
        for claim in command.claims:
            found.update({d.at(claim.span or command.span): None for d in check_regions([claim.region], options)})
    return list(found)


def check_rule(command: Command) -> list[Diagnostic]:
    """What is wrong with the stopping rule of a command, and shows without rows.

    Codes: CQ946 a rule that is not this statement's, CQ948 a correction of one look, CQ949 row groups, CQ951 regimes,
    CQ311 units.
    """
    until = command.options.until
    if until is None:
        return []
    if isinstance(command, Observing):
        message = "`until` ends no estimate by regimes: the rows are there, and cost no passes"
        return [Diagnostic("CQ951", message, help=("leave `until` out",)).at(until.span or command.span)]
    found = []
    if isinstance(command, Testing) != (until.width is None):
        verb, way = ("a test decides", "until decided") if until.width is not None else ("an estimate has a width",
                    "until width < 0.05")  # fmt: skip
        found.append(Diagnostic("CQ946", f"`{until}` is no stopping rule here: {verb}", help=(f"write `{way}`",)))
    if isinstance(command, Estimation) and command.per is not None:
        way = 'ask of one group after the bar, `E[Y | row.gender = "man"]`'
        found.append(Diagnostic("CQ949", "`until` ends a run for all rows, not for groups of `per`", help=(way,)))
    if isinstance(command, Testing) and drawn_together(command.correction):
        message = f"`correct {command.correction}` holds at one look, and `until` looks again and again"
        found.append(Diagnostic("CQ948", message, help=("`correct holm` holds at every look",)))
    written = until.unit
    for query in rooms.queries_of(command):
        measure = unit_of(query.expr)
        if written is not None and WRITTEN[written] != measure and not (written == "%" and measure == ""):
            message = (
                f"the width is in {until.unit}, and `{query.name}` {f'in {measure}' if measure else 'has no unit'}"
            )
            found.append(Diagnostic("CQ311", message, help=("write the width in the unit of what is estimated",)))
    return [d.at(until.span or command.span) for d in found]


def _seeded(command: Testing | Showing) -> list[Diagnostic]:
    """CQ925: how estimates vary together is drawn at random."""
    if command.options.seed is not None or command.options.population:
        return []
    message = "`max_t` draws how the estimates vary together, and has no seed"
    return [Diagnostic("CQ925", message, help=("add `seed 7`",))]
