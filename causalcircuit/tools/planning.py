"""`cq plan`: what a program will cost, before anything runs; and measuring this machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.tools import exits, streams
from causalcircuit.tools.answering import read
from causalcircuit.tools.progress import progress_bar, waiting
from causalcircuit.tools.sizes import bytes_of

if TYPE_CHECKING:
    from causalcircuit.query.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of `cq plan`.

    Attributes:
        machine: JSON instead of text. pilot: rows to run for the width of intervals. analyze: run it all.
        memory: the limit, as written. how: whether passes share what they have in common.
        calibrate: measure this machine first. online: settings of models on the hub may be downloaded.
        power: the chance of a verdict for which rows are counted.
    """

    machine: bool = False
    pilot: int = 0
    analyze: bool = False
    memory: str | None = None
    how: Literal["full", "naive"] = "full"
    calibrate: bool = False
    online: bool = False
    power: float | None = None


def plan(file: str | None, asked: Asked) -> int:
    """Plan a program, print what it will cost, and return the exit code."""
    from causalcircuit import runs

    try:
        if file is None and not asked.calibrate:
            raise error("CQ764", "there is nothing to plan", help=("`cq plan FILE`", "`cq plan --calibrate`"))
        limit = None if asked.memory is None else bytes_of(asked.memory)
        if file is None:
            return _calibrated(None, asked)
        program = read(file, "all" if asked.online and (asked.pilot or asked.analyze) else _settings(asked))
        if asked.calibrate:
            _calibrated(program, asked)
        wishes = runs.PlanWishes(asked.how, limit, asked.pilot, asked.analyze, asked.power)
        passes = bool(asked.pilot or asked.analyze)
        with progress_bar(wanted=passes and not asked.machine) as heard:
            found = runs.plan_program(program, wishes, heard)
    except KeyboardInterrupt:
        streams.say("interrupted")
        return exits.INTERRUPTED
    except DiagnosticError as problem:
        _complain(problem.diagnostics, asked.machine)
        return exits.AFTER if isinstance(problem, runs.AfterPass) else exits.BEFORE
    show(found, machine=asked.machine)
    if not asked.machine:
        streams.complain(found.diagnostics)
    return exits.OK


def _settings(asked: Asked) -> Literal["", "settings"]:
    return "settings" if asked.online else ""


def show(found: Forecast, *, machine: bool = False) -> None:
    """Print a forecast."""
    from causalcircuit.report.forecast import forecast_json, forecast_text

    out = sys.stdout
    if machine:
        streams.write(forecast_json(found) + "\n")
        return
    width, colour = streams.width(out), streams.coloured(out)
    streams.write(forecast_text(found, width=width, colour=colour, ascii_only=streams.ascii_only(out)))


def _calibrated(program: object, asked: Asked) -> int:
    """Measure this machine for every device and type of numbers that a program's models have."""
    from causalcircuit.runs import calibrate_for

    with waiting("measuring this machine"):
        lines = calibrate_for(program)
    for line in lines:
        (streams.say if asked.machine else lambda text: streams.write(text + "\n"))(line)
    return exits.OK


def _complain(diagnostics: tuple[Diagnostic, ...], machine: bool) -> None:
    if machine:
        streams.show_json(None, diagnostics)
    else:
        streams.complain(diagnostics)
