"""Meaning 1: assignments are simultaneous; the same target twice and partial overlaps are errors (CQ301, CQ302).

Positions that depend on the row (`last` and `5`) are compared again where rows are known, in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, Label, Span
from causalcircuit.query import Assignment, Position, Site, render


@rule
def overlaps(context: Context) -> Iterator[Diagnostic]:
    """Compare the targets of each world pairwise."""
    seen: set[tuple[Span | None, Span | None]] = {(None, None)}
    for world, place in context.worlds():
        for a, b in combinations(sorted(world.assignments, key=_written), 2):
            verdict = _compare(context, a, b)
            labels = () if a.span is None else (Label(a.span, "first here"),)
            if verdict and (a.span, b.span) in seen and a.span is not None:  # another member of the same set of nodes
                continue
            if verdict:
                seen.add((a.span, b.span))
            if verdict == "same":
                yield Diagnostic(
                    "CQ301",
                    f"`{render(a.target)}` is assigned twice in one world",
                    b.span or place,
                    "again here",
                    labels,
                    ("assignments are simultaneous: keep one, or make two worlds",),
                )
            elif verdict == "partial":
                yield Diagnostic(
                    "CQ302",
                    f"`{render(a.target)}` and `{render(b.target)}` overlap in part",
                    b.span or place,
                    "overlaps",
                    labels,
                    ("one must lie inside the other; then the narrower wins",),
                )


def _compare(context: Context, a: Assignment, b: Assignment) -> str:
    """`same`, `partial`, or nothing wrong."""
    if a.target == b.target:
        return "same"
    if not (isinstance(a.target, Site) and isinstance(b.target, Site)):
        return ""
    if a.target.address.model != b.target.address.model:
        return ""
    x, y = context.info(a.target), context.info(b.target)
    if not x.overlaps(y):
        return ""
    where = relation(a.target.position, b.target.position)
    if where in ("apart", "unknown"):
        return ""
    part = "same" if (x.start, x.stop) == (y.start, y.stop) else "inside" if y.contains(x) else "around"
    if part == "same" and where == "same":
        return "same"
    return "partial" if where == "partial" or {part, where} == {"inside", "around"} else ""


def _written(a: Assignment) -> tuple[str, int]:
    """In the order of the text, so that the second one is the one reported."""
    return ("", 0) if a.span is None else (a.span.source.name, a.span.start)


def relation(a: Position, b: Position) -> str:
    """How two positions lie, as far as it is known without rows: same, inside, around, partial, apart or unknown."""
    a, b = _counted(a), _counted(b)
    if a == b:
        return "same"
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
