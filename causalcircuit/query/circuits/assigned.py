"""Worlds in which all wires of a circuit are assigned: `do(C = (C | w))`, `do(outside(C) = (outside(C) | w))`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from causalcircuit.query.algebra import walk, walk_world
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.expr import Assignment, Counterfactual, Expr, Wires, World


@dataclass(frozen=True, slots=True)
class Rewired:
    """A world with the wires of circuits in it.

    Attributes:
        base: the world without them. wires: what is assigned, with the world whose values it takes.
    """

    base: World
    wires: tuple[tuple[Wires, World], ...]


def rewired(world: World) -> Rewired | None:
    """A world taken apart; `None` where it assigns no circuit's wires."""
    own = [a for a in world.assignments if isinstance(a.target, Wires)]
    if not own:
        return None
    base = replace(world, assignments=tuple(a for a in world.assignments if not isinstance(a.target, Wires)))
    return Rewired(base, tuple(_taken(a) for a in own))


def _taken(a: Assignment) -> tuple[Wires, World]:
    if not isinstance(a.target, Wires) or not isinstance(a.value, Counterfactual):
        raise TypeError("wires of a circuit take what they carry in another world")  # the checker refuses all else
    return a.target, a.value.world


def wires_in(item: Expr | World) -> Iterator[Wires]:
    """All circuits whose wires are assigned anywhere inside."""
    inside = walk_world(item) if isinstance(item, World) else walk(item)
    return (e for e in inside if isinstance(e, Wires))


def bare(circuit: Circuit) -> Known:
    """A circuit as what is assigned: its wires and the nodes that were considered, without scores."""
    edges = tuple(sorted((replace(e, score=None) for e in circuit.edges), key=repr))
    return Known(Circuit(circuit.name, circuit.model, edges, over=circuit.over, shared=circuit.shared))
