"""Sweeps before a run: `@ each` becomes the positions of the rows, and what cannot have an effect is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.check.reachable import reachable
from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Command, Estimation, Expr, Position, Program, Query, Site, World, models_of, relation
from causalcircuit.query.each import sites_at_each
from causalcircuit.query.reach import idle
from causalcircuit.query.showing import Showing
from causalcircuit.runs.check import check_command

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel


def spread(
    commands: Iterable[Command], program: Program, model: Callable[[str], LoadedModel]
) -> tuple[list[Command], list[Diagnostic]]:
    """The commands with their families as the rows make them, and notes about what was left out.

    Models are loaded only where positions must be looked at.

    Args:
        commands: of the program. model: a declared model by its name, loaded.

    Raises:
        DiagnosticError: CQ244 prompts of different lengths, CQ393 no member has a path, CQ606 a family that is
            too large for its resamples.
    """
    out: list[Command] = []
    notes: list[Diagnostic] = []
    problems: list[Diagnostic] = []
    for command in commands:
        try:
            made, found = _spread(command, program, model)
            out.append(made)
            notes.extend(found)
        except DiagnosticError as problem:
            problems.extend(d.at(command.span) for d in problem.diagnostics)
    DiagnosticError.raise_if(problems)
    return out, notes


def _spread(
    command: Command, program: Program, model: Callable[[str], LoadedModel]
) -> tuple[Command, list[Diagnostic]]:
    queries = queries_of(command)
    each = any(_open(q.expr) for q in queries)
    doubtful = [q for q in queries if q.members]
    if not (each or any(_depends(q, program) for q in doubtful)):
        return command, []
    from causalcircuit.engine.spread import Ground

    names = sorted({name for q in queries for name in models_of(q.expr)})
    ground = Ground(rows.load(command.data), {name: model(name) for name in names})
    parts = [(i, part) for i, q in enumerate(queries) for part in ground.spread(q)]
    kept, left, notes = reachable(
        [q for _, q in parts], lambda name: model(name).sites, command.span, ground.lies
    )  # fmt: skip
    chosen = set(map(id, kept))
    made = _with(command, [(i, q) for i, q in parts if id(q) in chosen], left)
    if each:
        DiagnosticError.raise_if([d for d in check_command(made) if d.is_error])
    return made, [] if isinstance(made, Showing) else notes  # it says so itself


def _with(command: Command, parts: list[tuple[int, Query]], left: tuple[str, ...]) -> Command:
    if isinstance(command, Showing):
        return replace(command, queries=tuple(q for _, q in parts), left_out=(*command.left_out, *left))
    if isinstance(command, Estimation):
        return replace(command, queries=tuple(q for _, q in parts))
    return replace(command, claims=tuple(replace(command.claims[i], query=q) for i, q in parts))


def _open(e: Expr) -> bool:
    return any(not s.position.parts for s in sites_at_each(e))


def _depends(query: Query, program: Program) -> bool:
    """Whether the rows could show that a query's member has no path: it would have none, lay positions the best."""
    from causalcircuit.check import sites

    found = [m for m in query.members if isinstance(m, Site)]
    tables = {name: sites(program.models[name]) for name in models_of(query.expr)}
    return bool(found) and all(idle(query.expr, s, tables.__getitem__, _favourable) for s in found)


def _favourable(site: Site, position: Position, reader: Expr, world: World) -> tuple[bool, bool]:
    unknown = relation(site.position, position) == "unknown"
    return unknown, unknown
