"""What `cq plan` says of worlds in which the wires of circuits are assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.diagnostics import Diagnostic, warning
from causalcircuit.query import Cell, Command, DataRef, Expr, ModelRef, Program, World, render
from causalcircuit.query.circuits.assigned import rewired, wires_in
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.runs.rewiring import Group, group_of, split, taken

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel


def rewired_notes(
    commands: Iterable[Command], program: Program, model: Callable[[ModelRef], LoadedModel]
) -> list[Diagnostic]:
    """How many passes such worlds take, where that is known without weights; one remark a data set."""
    asked: dict[DataRef, list[Expr]] = {}
    for command in commands:
        asked.setdefault(command.data, []).extend(q.expr for q in queries_of(command))
    out: list[Diagnostic] = []
    for ref, queries in asked.items():
        cells = split(queries)[1]
        if cells:
            out.append(_note(cells, rows.load(ref), program, model))
    return out


def _note(
    cells: tuple[Cell, ...], data: rows.Dataset, program: Program, model: Callable[[ModelRef], LoadedModel]
) -> Diagnostic:
    first = next(w for c in cells for part in (c.world, c.readout) for w in wires_in(part))
    worlds = dict.fromkeys(c.world for c in cells)
    said = f"{len(worlds)} worlds with wires of circuits" if len(worlds) > 1 else "a world with wires of a circuit"
    passes = _passes(cells, data, program, model)
    if passes is None:
        return warning(
            "CQ266",
            f"what it takes to run {said} on {data.ref.label} is not planned: `{render(first, program.names)}`",
            first.span,
            help="such worlds are planned for circuits that are known before a model runs, and whole parts of it",
        )
    return warning(
        "CQ266",
        f"{said} on {data.ref.label} take about {passes:,} passes of single rows, which the plan leaves out",
        first.span,
        help="all wires of a model are chosen among at once: the time grows with this number",
    )


def _passes(
    cells: tuple[Cell, ...], data: rows.Dataset, program: Program, model: Callable[[ModelRef], LoadedModel]
) -> int | None:
    """Passes of single rows; `None` where a circuit is not known yet, or its wires are not all of whole parts."""
    from causalcircuit.attribution.choices import UnknownWireError
    from causalcircuit.attribution.rewired import passes_of
    from causalcircuit.diagnostics import DiagnosticError

    if not all(isinstance(w.circuit, Known) for c in cells for part in (c.world, c.readout) for w in wires_in(part)):
        return None
    groups: dict[Group, dict[World, Cell]] = {}
    for cell in cells:
        group = group_of(cell)
        if group is None or rewired(cell.world) is None:
            return None
        groups.setdefault(group, {})[cell.world] = cell
    try:
        return sum(
            passes_of(model(program.models[group[0]]), [taken(c) for c in own.values()], data.n)
            for group, own in groups.items()
        )
    except (UnknownWireError, DiagnosticError):
        return None
