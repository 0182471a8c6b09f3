"""`circuit GT { X -> Early -> Late -> PD }`: wires drawn by hand between declared nodes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check.sets import Tables
from causalcircuit.check.wires import READS, WRITES
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import AddressError, Expr, Items, Output, Site, SiteTable, Wire, render
from causalcircuit.query.circuit import Circuit, CircuitEdge
from causalcircuit.query.circuits.wires import joins, reads_of, shared_in, writes_of
from causalcircuit.query.wiring import end_of, nearest, obstacle, outputs, reads, writes
from causalcircuit.syntax.trees import Node, operators

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering


def drawn(name: str, chains: list[Tree[Token]], low: Lowering) -> Circuit:
    """A circuit of chains.

    Raises:
        DiagnosticError: CQ263 no chain of wires; CQ233 to CQ236, ends that no wire of the model has; CQ254, two
            readouts, or none of one model; CQ255, two models.
    """
    chained = [(a, b, low.span(chain)) for chain in chains for a, b in _pairs(chain, low)]
    named = [(low.expr(a), low.span(a), low.expr(b), low.span(b), span) for a, b, span in chained]
    return circuit_of(name, named, low.scope.sites)


def _pairs(chain: Tree[Token], low: Lowering) -> list[tuple[Node, Node]]:
    names = [c for c in chain.children if isinstance(c, Tree) and c.data in ("name", "field")]
    for c in chain.children:
        if isinstance(c, Tree) and c.data == "arrow" and operators(c)[0] != "->":
            way = "write `->`; causal diagrams, with `<-` and `<->`, are declared by `graph`"
            raise error("CQ263", f"wires lead one way, and `{operators(c)[0]}` another", low.span(c), help=way)
    if len(names) < 2:
        raise error("CQ263", f"`{low.span(chain).text}` is joined to nothing", low.span(chain), help="draw `A -> B`")
    return list(pairwise(names))


Arrow = tuple[Expr, Span | None, Expr, Span | None, Span | None]
"""Both ends of an arrow with their places, and its own."""


def circuit_of(name: str, arrows: Sequence[Arrow], tables: Tables) -> Circuit:
    """A circuit of arrows between nodes, sets of nodes and a readout; the same for texts and for Python objects."""
    edges: dict[CircuitEdge, None] = {}
    readout: Expr | None = None
    model = ""
    for left, place, right, other, span in arrows:
        starts = _sources(left, place, tables)
        model = model or starts[0].address.model
        table: SiteTable = tables(model)
        strange = next((s for s in starts if s.address.model != model), None)
        if strange is not None:
            raise _two_models(strange.address.model, model, place)
        for end in right.items if isinstance(right, Items) else (right,):
            if isinstance(end, Site):
                if end.address.model != model:
                    raise _two_models(end.address.model, model, other)
                for start in starts:
                    edges.update(dict.fromkeys(_wires(table, start, end, other, span)))
                continue
            if not reads(end):
                what = f"`{shown(end)}` reads nothing of the stream, so no wire ends in it"
                raise error("CQ234", what, other, "no read", help=READS)
            if outputs(end)[0].model != model:
                raise _two_models(outputs(end)[0].model, model, other)
            if readout is not None and end != readout:
                what = f"a second readout, `{shown(end)}`, beside `{shown(readout)}`"
                raise error("CQ254", what, other, help="a circuit has one readout: draw another circuit for the other")
            readout = end
            edges.update((CircuitEdge(start, None), None) for start in starts if _ends(table, start, end, other))
    return Circuit(name, model, tuple(edges), shared=shared_in(tables(model)))


def _sources(value: Expr, place: Span | None, tables: Tables) -> list[Site]:
    """The writes that an arrow leaves: of a read, those of its part."""
    out: dict[Site, None] = {}
    for item in value.items if isinstance(value, Items) else (value,):
        if isinstance(item, Output) or not isinstance(item, Site):
            what = f"`{shown(item)}` writes nothing, so no wire leaves it"
            raise error("CQ233", what, place, "no write", help=WRITES)
        table = tables(item.address.model)
        found = (item,) if writes(table, item) else writes_of(table, item)
        if not found:
            what = f"`{shown(item)}` writes nothing into the stream, so no wire leaves it"
            raise error("CQ233", what, place, "no write", help=WRITES)
        out.update(dict.fromkeys(found))
    return list(out)


def _wires(table: SiteTable, start: Site, end: Site, place: Span | None, span: Span | None) -> list[CircuitEdge]:
    """The wires from a write to a node: to all that it reads by, as far as they exist."""
    by_read = reads(end) and not writes(table, end)
    targets = (end,) if by_read else reads_of(table, end, start.position)
    if not targets:
        what = f"`{shown(end)}` reads nothing of the stream, so no wire ends in it"
        raise error("CQ234", what, place, "no read", help=READS)
    found = [CircuitEdge(start, t) for t in targets if joins(table, start, t)]
    if found:
        return found
    source, last = table.info(start.address), end_of(table, targets[0])
    why = obstacle(table, source, last)
    near = nearest(table, Wire(start, targets[0]), source, last)
    way = (
        f"the nearest wire that exists is `{near}`"
        if near and why
        else f"name one position at both: `@ {start.position}`"
    )
    if why == "past":
        what = f"a wire into the past: `{render(end)}` reads before `{render(start)}` writes"
        raise error("CQ236", what, span, "no such wire", help=way)
    what = f"there is no wire from `{render(start)}` to `{render(end)}`"
    raise error("CQ235", what, span, "no such wire", help=way)


def _ends(table: SiteTable, start: Site, end: Expr, place: Span | None) -> bool:
    """A wire to the readout exists."""
    try:
        last = end_of(table, end)
        why = obstacle(table, table.info(start.address), last)
    except AddressError:  # pragma: no cover - the readout was resolved before
        why = "apart"
    if why:
        near = nearest(table, Wire(start, end), table.info(start.address), last)
        what = f"there is no wire from `{render(start)}` to `{shown(end)}`, which reads another stream"
        raise error("CQ235", what, place, "no such wire", help=f"the nearest wire that exists is `{near}`" if near else
                    "name a node of the tower that the readout reads")  # fmt: skip
    return True


def _two_models(other: str, model: str, place: Span | None) -> DiagnosticError:
    what = f"a circuit is of one model: `{other}` stands beside `{model}`"
    return error("CQ255", what, place, help="draw a circuit for each model")
