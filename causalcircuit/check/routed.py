"""`graph D = diagram(C)`: the causal claim that a circuit makes, as a diagram.

A circuit says which wires carry what matters. As a diagram: an arrow for each of its wires, from the node that writes
to the node that reads; no other routes; and `<->` wherever something that is not in the circuit, the row included,
leads to two of its nodes by the wiring of the model.
"""

from __future__ import annotations

from collections.abc import Mapping

from causalcircuit.check.sets import Tables
from causalcircuit.diagnostics import DiagnosticError, Span
from causalcircuit.query import Expr, Graph, Site, World, render
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import belongs
from causalcircuit.query.circuits.wires import writes_of
from causalcircuit.query.identification import Variable
from causalcircuit.query.wired import Node, Wired, node_of

READOUT = Variable("readout")
"""What wires of a circuit end in, where it does not say what that is."""


def routed(
    name: str,
    circuit: Circuit,
    readout: Expr,
    tables: Tables,
    names: Mapping[Expr | World, str],
    assume: str = "",
    span: Span | None = None,
) -> Graph:
    """The diagram of a circuit's routes.

    Args:
        name: of the diagram. circuit: known. readout: what its last wires end in. tables: the sites of models.
        names: what nodes are called. assume: what is taken for granted. span: of the statement.

    Raises:
        DiagnosticError: CQ288 a node that the wiring does not place, CQ289 two that overlap.
    """
    table = tables(circuit.model)
    sources = tuple(dict.fromkeys(e.source for e in circuit.edges))
    values: dict[Expr, None] = {}
    arrows: dict[tuple[Expr, Expr], None] = {}
    for edge in circuit.edges:
        values[edge.source] = None
        ends: tuple[Expr, ...] = (readout,)
        if edge.target is not None:
            read = edge.target
            own = tuple(s for s in sources if belongs(read, s, circuit.shared))
            ends = own or writes_of(table, read) or (read,)
        for end in ends:
            values[end] = None
            arrows[edge.source, end] = None
    values |= dict.fromkeys(n.site for n in circuit.nodes)
    called = {value: _called(value, names) for value in values}
    placed = [v for v in values if not isinstance(v, Variable)]
    nodes: list[Node] = [node_of(called[v], v, span) for v in placed]
    try:
        wired = Wired(table, tuple(nodes))
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(span) for d in problem.diagnostics)) from None
    both = {(called[placed[i]], called[placed[j]]) for i, j in wired.spouses}
    # Where it is not known what is read, everything may be in common with it.
    both |= {(called[v], called[readout]) for v in placed if isinstance(readout, Variable) and readout in values}
    return Graph(
        name,
        tuple(called.values()),
        tuple((called[a], called[b]) for a, b in arrows),
        tuple(sorted((min(pair), max(pair)) for pair in both)),
        assume,
        span,
        nodes=tuple((called[v], v) for v in values),
        wiring=f"routes of the circuit `{circuit.name}`; what it leaves out is taken to carry nothing",
    )


def _called(value: Expr, names: Mapping[Expr | World, str]) -> str:
    if isinstance(value, Variable):
        return value.name
    found = names.get(value)
    whole = Site(value.address, value.position) if isinstance(value, Site) else value
    return found or names.get(whole) or render(value)
