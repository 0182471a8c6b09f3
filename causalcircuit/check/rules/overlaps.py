"""Meaning 1: assignments are simultaneous; the same target twice and partial overlaps are errors (CQ301, CQ302).

Positions that depend on the row (`last` and `5`) are compared again where rows are known, in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, Label
from causalcircuit.query import Assignment, Position, Site, render


@rule
def overlaps(context: Context) -> Iterator[Diagnostic]:
    """Compare the targets of each world pairwise."""
    for world, place in context.worlds():
        for a, b in combinations(world.assignments, 2):
            verdict = _compare(context, a, b)
            labels = () if a.span is None else (Label(a.span, "first here"),)
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
    return "partial" if {part, where} == {"inside", "around"} else ""


def relation(a: Position, b: Position) -> str:
    """How two positions lie, as far as it is known without rows: same, inside, around, apart or unknown."""
    if a == b:
        return "same"
    if b.kind == "all":
        return "inside"
    if a.kind == "all":
        return "around"
    if b.parts and a in b.parts:
        return "inside"
    if a.parts and b in a.parts:
        return "around"
    numbered = a.kind == b.kind and a.kind in ("index", "image") and a.offset == b.offset == 0
    if numbered and a.index is not None and b.index is not None and (a.index < 0) == (b.index < 0):
        return "apart"
    return "unknown"
