"""Wires that cannot be told from another assignment of their world: what would win is not said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from causalcircuit.query.address import Position
from causalcircuit.query.expr import Assignment, Expr, Site, Wire, World
from causalcircuit.query.relations import relation
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import SiteInfo
from causalcircuit.query.wiring import (
    End,
    before,
    end_of,
    in_stream,
    model_of_wire,
    outputs,
    read_info,
    sublayer,
)

Entanglement = tuple[Expr, Expr, str]
"""Two targets, and what is wrong with them together."""

_SINGLE = ("last", "first", "index", "token", "image")


def entanglements(world: World, tables: Mapping[str, SiteTable]) -> Iterator[Entanglement]:
    """The pairs of targets of a world that are entangled; models without a table are left out."""
    wires = [a.target for a in world.assignments if isinstance(a.target, Wire)]
    for model, table in tables.items():
        own = [w for w in wires if model_of_wire(w) == (model, model)]
        known = [(w, table.info(w.source.address), end_of(table, w.target)) for w in own if isinstance(w.source, Site)]
        for one, other in combinations(known, 2):
            why = _wires(table, one, other) or _wires(table, other, one)
            if why:
                yield one[0], other[0], why
        sites = [a for a in world.assignments if isinstance(a.target, Site) and a.target.address.model == model]
        for wire, source, end in known:
            for a in sites:
                why = _site(table, wire, source, end, a)
                if why:
                    yield wire, a.target, why


_Known = tuple[Wire, SiteInfo, End]


def _wires(table: SiteTable, one: _Known, other: _Known) -> str:
    (first, a, x), (second, b, y) = one, other
    if first == second:
        return ""  # assigned twice: the business of another rule
    joint = _joint(first, second, x, y)
    if joint == "partly":
        return "end in the same read, at positions of which it is not known that they are the same"
    overlapping = a.overlaps(b) and first.source != second.source and _meet(first.source, second.source)
    inside = sublayer(table, a) is not None and sublayer(table, a) == sublayer(table, b)
    nested = inside and (table.depends(b, a) or table.depends(a, b)) and _meet(first.source, second.source)
    if joint == "same":
        if overlapping:
            return "overlap"
        if nested:
            return "end in one read, and what one source writes is a part of what the other does"
        if b.step and sublayer(table, b) is None and table.depends(b, a):
            return "end in one read, and the second leaves what a dictionary finds in the whole stream"
    elif (overlapping or nested) and in_stream(first.target) and x.site is not None and before(table, y, x.site):
        return "overlap where they start, and one passes where the other ends"
    return ""


def _joint(first: Wire, second: Wire, x: End, y: End) -> str:
    """Whether two wires end in one place: `same`, `partly`, or not."""
    if not (isinstance(first.target, Site) and isinstance(second.target, Site)):
        return "same" if set(outputs(first.target)) & set(outputs(second.target)) else ""
    shared = x.site is not None and y.site is not None and x.site.overlaps(y.site)
    if not shared or (x.head is not None and y.head is not None and x.head != y.head):
        return ""
    where = relation(first.target.position, second.target.position)
    return "same" if where == "same" else "" if where == "apart" else "partly"


def _meet(one: Expr, other: Expr) -> bool:
    return isinstance(one, Site) and isinstance(other, Site) and relation(one.position, other.position) != "apart"


def _site(table: SiteTable, wire: Wire, source: SiteInfo, end: End, a: Assignment) -> str:
    """What is wrong with a wire beside an ordinary assignment."""
    if not isinstance(a.target, Site) or not isinstance(wire.source, Site):
        return ""
    info = read_info(table, a.target.address)[0]
    if info.rank < 0:
        return ""  # where it stands is not known, which is the business of another rule
    starts = relation(a.target.position, wire.source.position)
    if info.overlaps(source):
        narrow = source.contains(info) and starts in ("same", "inside")
        wide = info.contains(source) and starts in ("same", "around")
        if not (narrow or wide or _told_apart(starts, a.target.position, wire.source.position)):
            return "overlap in part where the wire starts"
    if end.site is not None and info.overlaps(end.site) and isinstance(wire.target, Site):
        ends = relation(wire.target.position, a.target.position)
        if ends not in ("same", "inside", "around") and not _told_apart(ends, a.target.position, wire.target.position):
            return "overlap in part where the wire ends"
    return ""


def _told_apart(where: str, one: Position, other: Position) -> bool:
    """Whether positions do not meet, or meet as wholes: then rows tell."""
    return where == "apart" or (where == "unknown" and one.kind in _SINGLE and other.kind in _SINGLE)
