"""Reading wires: `(A -> B)` on the left of an assignment, sets at either end unfolded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import addresses
from causalcircuit.check.sources import sites
from causalcircuit.check.values import Path
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import Address, AddressError, Expr, Items, ModelRef, Part, Position, Site, Wire
from causalcircuit.query.wiring import end_of, ends_of, obstacle, read_info, reads, shared_of
from causalcircuit.syntax.trees import Node, inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

READS = (
    "wires end in `head[j].q`, `.k`, `.v`, a bare `head[j]` or `mlp`, `attn.in`, `resid`, `final_norm`, or a readout"
)
WRITES = "wires leave `embed`, `head[j].out`, `attn.out`, `cross.out`, `mlp.out`, `mlp.neuron[k]`, `expert[e].out`"


def wire(low: Lowering, node: Tree[Token]) -> Wire:
    """`(A -> B)` from its tree; either end may be a set, for `assign.world` to unfold.

    Raises:
        DiagnosticError: CQ5xx and others, an end is no node.
    """
    source, target = inner(node)
    start = low.expr(source)
    return Wire(start, _end(low, target, start), span=low.span(node))


def reached(start: Expr, found: Expr, ref: ModelRef) -> Expr:
    """Of the reads that a bare part stands for, those to which a wire from `start` leads, if there are any.

    Keys and values of a cross-attention are read from another stream than its queries.
    """
    table = sites(ref)
    starts = start.items if isinstance(start, Items) else (start,)
    if not isinstance(found, Items) or not all(isinstance(s, Site) and s.address.model == ref.name for s in starts):
        return found
    kept = tuple(
        t
        for t in found.items
        if any(
            not obstacle(table, read_info(table, s.address)[0], end_of(table, t)) for s in starts if isinstance(s, Site)
        )
    )
    return replace(found, items=kept) if kept else found


def _end(low: Lowering, node: Node, start: Expr) -> Expr:
    if isinstance(node, Tree) and node.data == "group":
        return _end(low, inner(node)[0], start)
    if isinstance(node, Tree) and node.data == "at":
        base, place = inner(node)
        path = low.value(base)
        if isinstance(path, Path):
            position = addresses.position_of(tree_of(place), low.statement, low.value)
            found = ends(path, position, low.span(node), low.span(place))
            if found is not None:
                return reached(start, found, path.model)
    return low.expr(node)


def ends(path: Path, position: Position, span: Span, where: Span | None = None) -> Expr | None:
    """The reads of a part of a block, or one head's read of shared keys; `None` for any other address.

    Raises:
        DiagnosticError: CQ504, CQ505 and CQ506, there is no such part; CQ516, no such position.
    """
    table, address = sites(path.model), Address(path.model.name, path.parts)
    if path.answer is not None or not path.parts:
        return None
    try:
        found = ends_of(table, address)
        if not found and path.parts[-1].name in ("k", "v"):
            heads = table.expand(Address(address.model, (*path.parts[:-1], Part("q"))))
            each = tuple(Address(a.model, (*a.path[:-1], path.parts[-1])) for a in heads)
            found = each if any(shared_of(table, a) is not None for a in each) else ()
    except AddressError as problem:
        bare = path.parts[-1].name in ("head", "mlp", "attn", "projector")
        if bare:
            raise addresses.no_site(path, problem, table) from None
        return None
    for a in found:
        addresses.place(replace(path, parts=(shared_of(table, a) or a).path), position, span, where)
    made = tuple(Site(a, position, span=span) for a in found)
    return None if not made else made[0] if len(made) == 1 else Items(made, span=span)


def misplaced(text: str, span: Span) -> DiagnosticError:
    """A wire where a value is needed."""
    return error(
        "CQ232",
        f"`{text}` is a wire, and stands where a value is needed",
        span,
        "only assigned",
        help=(
            f"a wire stands on the left of an assignment: `do({text} = (A | w))`",
            "what is read is a node, in this world or another: `A`, `(A | w)`",
        ),
    )


def unfolded(wire_: Wire) -> Iterator[tuple[Wire, Expr, Expr]]:
    """The wires between the members of both ends, each with the source as written and the member that stands for it."""
    sources = wire_.source.items if isinstance(wire_.source, Items) else (wire_.source,)
    targets = wire_.target.items if isinstance(wire_.target, Items) else (wire_.target,)
    for source in sources:
        for target in targets:
            yield replace(wire_, source=source, target=target), wire_.source, source


def check(wire_: Wire, span: Span | None) -> None:
    """Both ends are what a wire can have, by their form.

    Raises:
        DiagnosticError: CQ233, the source is no site; CQ234, the target is no read.
    """
    if not isinstance(wire_.source, Site):
        what = f"`{shown(wire_.source)}` writes nothing, so no wire leaves it"
        raise error("CQ233", what, wire_.source.span or span, "no write", help=WRITES)
    if not reads(wire_.target):
        what = f"`{shown(wire_.target)}` reads nothing of the stream, so no wire ends in it"
        raise error("CQ234", what, wire_.target.span or span, "no read", help=READS)
