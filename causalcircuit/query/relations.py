"""How the positions of two sites lie to each other, as far as it is known without rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from causalcircuit.query.address import Position


def relation(a: Position, b: Position) -> str:
    """How two positions lie, as far as it is known without rows: same, inside, around, partial, apart or unknown."""
    a, b = _counted(a), _counted(b)
    if a == b:
        return "same"
    if a.kind == "except":
        return _less(a, b)
    if b.kind == "except":
        return {"inside": "around", "around": "inside"}.get(found := _less(b, a), found)
    if a.new or b.new:
        return _generated(a, b)
    if a.kind == b.kind == "list":
        return _lists(set(a.parts), set(b.parts))
    if b.kind == "all":
        return "inside"
    if a.kind == "all":
        return "around"
    if b.parts and a in b.parts:
        return "inside"
    if a.parts and b in a.parts:
        return "around"
    return "apart" if _apart(a, b) else "unknown"


def _generated(a: Position, b: Position) -> str:
    """How two positions lie where generated ones are among them: those and the prompt's are looked at apart."""
    x, y = a.prompted, b.prompted
    parts = {"same"} if a.new and b.new else {"around" if a.new else "inside"}
    shared = a.new and b.new
    if x is not None and y is not None:
        rest = relation(x, y)
        if rest == "unknown":
            return rest
        shared = shared or rest != "apart"
        parts.add("partial" if rest == "apart" else rest)
    elif x is not None or y is not None:
        parts.add("around" if y is None else "inside")
    if not shared:
        return "apart"
    parts.discard("same")
    return "same" if not parts else parts.pop() if len(parts) == 1 else "partial"


def _counted(p: Position) -> Position:
    """`first`, `last` and offsets from them as numbers: `@ (last - 1)` is `@ -2`."""
    starts = {"first": 0, "last": -1, "index": p.index or 0}
    if p.parts:
        return replace(p, parts=tuple(map(_counted, p.parts)))
    if p.kind not in starts or (starts[p.kind] < 0) != (starts[p.kind] + p.offset < 0):
        return p
    return Position("index", index=starts[p.kind] + p.offset)


def _less(a: Position, b: Position) -> str:
    """The same for `a`, a position less others."""
    whole, *less = a.parts
    if any(relation(b, other) in ("same", "inside") for other in less):
        return "apart"
    found = relation(whole, b)
    if found in ("same", "inside"):
        return "inside"
    if found == "around":
        return "around" if all(relation(b, other) == "apart" for other in less) else "unknown"
    return "apart" if found == "apart" else "unknown"


def _lists(a: set[Position], b: set[Position]) -> str:
    """How two lists lie, part by part."""
    if a == b:
        return "same"
    if a < b:
        return "inside"
    if a > b:
        return "around"
    if a & b:
        return "partial"
    return "apart" if all(_apart(x, y) for x, y in product(a, b)) else "unknown"


def _apart(a: Position, b: Position) -> bool:
    """Whether two numbered positions differ on every row."""
    numbered = a.kind == b.kind and a.kind in ("index", "image") and a.offset == b.offset == 0
    return numbered and a.index is not None and b.index is not None and (a.index < 0) == (b.index < 0)
