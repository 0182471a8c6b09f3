"""What a program asks beside its tables: claims about circuits, circuits, heat maps, diagrams; drawn and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Command, ModelRef, Program, Result
from causalcircuit.query.discovery import Discovering
from causalcircuit.runs.progress import AfterPass, Progress

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel
    from causalcircuit.query.circuits.shown import CircuitShown
    from causalcircuit.query.saliency import HeatMaps
    from causalcircuit.runs.circuits import Circuits


def completed(
    result: Result,
    program: Program,
    commands: Iterable[Command],
    circuits: Circuits | None,
    load: Callable[[ModelRef], LoadedModel],
    progress: Progress | None,
    *,
    tests_only: bool,
) -> Result:
    """A result with all else that its program asks; after Ctrl-C only with what was known before the run.

    Args:
        result: what the tables answer. program: asks. commands: its questions, as they were run.
        circuits: what makes its circuits, where it has some. load: a model, loaded once.
        progress: hears how far the heat maps are. tests_only: leave out what is no test.

    Raises:
        AfterPass: something went wrong; its `result` has what was done before.
        DiagnosticError: the same, where nothing was done before; a file cannot be written.
    """
    if circuits is not None and not result.interrupted:
        result = _with_trials(result, circuits)
    if circuits is not None and not tests_only and not result.interrupted:
        result = _with_circuits(result, circuits)
    if program.maps and not tests_only and not result.interrupted:
        result = _with_maps(result, program, load, progress)
    if program.identifications and not tests_only:
        result = replace(result, identifications=program.identifications)
    if program.independences and not tests_only:
        result = replace(result, independences=program.independences)
    if result.discoveries and not result.interrupted:
        result = replace(result, saved=(*result.saved, *_save(commands, result)))
    if program.drawings and not tests_only and not result.interrupted:
        result = replace(result, saved=(*result.saved, *_draw(program)))
    return result


def _with_trials(result: Result, circuits: Circuits) -> Result:
    """A result with the claims about circuits that are tested."""
    if not circuits.program.trials:
        return result
    from causalcircuit.runs.trials import tried

    tested = list(result.hypotheses)
    try:
        for trial in circuits.program.trials:
            tested += tried(trial, circuits)
    except KeyboardInterrupt:
        return replace(result, hypotheses=tuple(tested), interrupted=True)
    except DiagnosticError as problem:
        if result.tables or len(tested) > len(result.hypotheses):
            raise AfterPass.of(problem, replace(result, hypotheses=tuple(tested))) from None
        raise
    return replace(result, hypotheses=tuple(tested))


def _with_circuits(result: Result, circuits: Circuits) -> Result:
    """A result with the circuits that are shown, and those that are saved written."""
    shown: list[CircuitShown] = []
    try:
        for view in circuits.program.views:
            shown.append(circuits.shown(view))
        return replace(result, circuits=tuple(shown), saved=(*result.saved, *circuits.save()))
    except KeyboardInterrupt:
        return replace(result, circuits=tuple(shown), interrupted=True)
    except DiagnosticError as problem:
        if result.tables or shown:
            raise AfterPass.of(problem, replace(result, circuits=tuple(shown))) from None
        raise


def _with_maps(
    result: Result, program: Program, load: Callable[[ModelRef], LoadedModel], progress: Progress | None
) -> Result:
    """A result with the heat maps that are shown."""
    from causalcircuit.runs.saliency import heat_maps

    found: list[HeatMaps] = []
    try:
        for asked in program.maps:
            found.append(heat_maps(asked, load(program.models[asked.model]), program.names, progress))
    except KeyboardInterrupt:
        return replace(result, maps=tuple(found), interrupted=True)
    except DiagnosticError as problem:
        if result.tables or result.circuits or found:
            raise AfterPass.of(problem, replace(result, maps=tuple(found))) from None
        raise
    return replace(result, maps=tuple(found))


def _save(commands: Iterable[Command], result: Result) -> tuple[str, ...]:
    """Write the diagrams that were found, where they are saved."""
    from causalcircuit.runs.discovering import write

    return write([c for c in commands if isinstance(c, Discovering)], result.discoveries)


def _draw(program: Program) -> tuple[str, ...]:
    """Write the diagrams that are saved."""
    from causalcircuit.causal.files import write

    for drawing in program.drawings:
        write(drawing.text, drawing.path, drawing.span)
    return tuple(dict.fromkeys(str(d.path) for d in program.drawings))
