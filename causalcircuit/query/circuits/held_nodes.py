"""Circuits of nodes in worlds: `do(N = (N | w))` assigns each node, `do(outside(N) = (outside(N) | w))` each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from causalcircuit.diagnostics import error
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.wires import nodes_of
from causalcircuit.query.expr import Assignment, Counterfactual, Expr, Site, Wires, World
from causalcircuit.query.render import render
from causalcircuit.query.sites import SiteTable


def held(
    a: Assignment, circuit: Circuit, table: Callable[[], SiteTable], own: Callable[[World], World]
) -> Iterator[Assignment]:
    """The assignments that one of a circuit of nodes stands for; none where it is made of wires.

    Args:
        a: it. circuit: what it assigns. table: of the model, for when all its parts were considered.
        own: makes a world one that can be run.

    Raises:
        DiagnosticError: CQ264, a circuit of nodes and wires.
    """
    if not isinstance(a.target, Wires) or not isinstance(a.value, Counterfactual):
        raise TypeError("a circuit takes what it is in another world")  # the checker refuses all else
    if not circuit.nodes:
        return
    if circuit.edges:
        raise error(
            "CQ264",
            f"`{circuit.name or 'this circuit'}` has wires, and nodes with scores: they are assigned in two ways",
            a.span,
            help="assign them one by one: a circuit of wires, and one of nodes",
        )
    sites = tuple(n.site for n in circuit.nodes)
    if a.target.complement:
        every = circuit.over or nodes_of(table(), circuit.model)
        sites = tuple(s for s in every if s not in set(sites))
    world = own(a.value.world)
    for site in sites:
        yield Assignment(site, Counterfactual(site, world), span=a.span)


def once(made: Iterable[Assignment]) -> tuple[Assignment, ...]:
    """Assignments of which no two have one target.

    Raises:
        DiagnosticError: CQ301.
    """
    found: dict[Expr, Assignment] = {}
    for a in made:
        if isinstance(a.target, Site) and a.target in found:
            raise error(
                "CQ301",
                f"`{render(a.target)}` is assigned twice in one world",
                a.span,
                "again here",
                help="it is a node of a circuit that the world assigns: keep one of both",
            )
        found[a.target] = a
    return tuple(found.values())
