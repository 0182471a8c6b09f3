"""A world with the wires of a circuit written out one by one: the engine's way, for few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import causalcircuit.rows as rows
from causalcircuit.query import ALL, Assignment, Cell, Counterfactual, Expr, Output, Site, Wire, World, walk, world_of
from causalcircuit.query.algebra import rebuild
from causalcircuit.query.circuits.assigned import rewired
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.expr import Wires

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel

FEW = 16
"""Wires that are written out: what a plan takes grows faster than their number."""


class TooManyError(ValueError):
    """More wires than are written out; its text says how many."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Outcomes on all rows, and the passes of single rows that they took."""

    values: NDArray[np.float64]
    passes: int


def single_wires(cell: Cell, models: Mapping[str, LoadedModel], data: rows.Dataset) -> Found:
    """The outcomes of a cell.

    Raises:
        TooManyError: more than `FEW` wires; DiagnosticError: as `make_plan`, `prepare` and `execute`.
    """
    from causalcircuit.engine import execute, make_plan, prepare

    made = written_out(cell, models)
    plan = make_plan([made], data, {name: m.sites for name, m in models.items()})
    table = execute(prepare(plan, {n: models[n] for n in plan.models}, data))
    if not table.complete:
        raise KeyboardInterrupt
    return Found(np.asarray(table.cells[made], dtype=np.float64), int(table.cost["row_passes"]))


def written_out(cell: Cell, models: Mapping[str, LoadedModel]) -> Cell:
    """A cell with single wires for circuits, in the worlds inside it too.

    Raises:
        TooManyError: there are more than `FEW`.
    """

    def visit(e: Expr) -> Expr:
        if isinstance(e, Counterfactual):
            return replace(e, value=visit(e.value), world=settled(e.world, e.value))
        return rebuild(e, visit, lambda world: settled(world, e))

    def settled(world: World, readout: Expr) -> World:
        found = rewired(world)
        base = world if found is None else found.base
        made = [replace(a, value=visit(a.value)) for a in base.assignments]
        for wires, elsewhere in () if found is None else found.wires:
            source_world = settled(elsewhere, readout)
            for source, target in _ends(wires, models[wires.model]):
                ends = [target] if target is not None else _outputs(readout, wires.model)
                made += [Assignment(Wire(source, end), Counterfactual(source, source_world)) for end in ends]
        return world_of(made, world.span)

    return Cell(visit(cell.readout), settled(cell.world, cell.readout))


def _outputs(readout: Expr, model: str) -> list[Expr]:
    """What wires into the readout end in; where a site is read they end in nothing."""
    return list(dict.fromkeys(e for e in walk(readout, worlds=False) if isinstance(e, Output) and e.model == model))


def _ends(wires: Wires, model: LoadedModel) -> list[tuple[Site, Site | None]]:
    """The wires that are meant: of a complement those between the considered nodes."""
    if not isinstance(wires.circuit, Known):
        raise TypeError("circuits are known before worlds are run")
    circuit = wires.circuit.circuit
    own = [(e.source, e.target) for e in circuit.edges]
    if wires.complement:
        own = list(_others(wires, model, own))
    if len(own) > FEW:
        raise TooManyError(f"these are {len(own):,}, of at most {FEW}")
    return own


def _others(
    wires: Wires, model: LoadedModel, own: list[tuple[Site, Site | None]]
) -> Iterator[tuple[Site, Site | None]]:
    from causalcircuit.attribution.choices import UnknownWireError, chosen
    from causalcircuit.attribution.streams import Streams
    from causalcircuit.attribution.walk import wiring_of

    wiring = wiring_of(Streams.of(model))
    over = wires.circuit.circuit.over if isinstance(wires.circuit, Known) else ()
    try:
        left = wiring.between(over) & ~chosen(wiring, model.sites, own).numpy()
    except UnknownWireError as problem:
        raise TooManyError(f"what else there is cannot be named: {problem}") from None
    for i in left.nonzero()[0].tolist():
        read = wiring.reads[int(wiring.readers[i])]
        yield Site(wiring.writes[int(wiring.writers[i])], ALL), None if read is None else Site(read, ALL)
