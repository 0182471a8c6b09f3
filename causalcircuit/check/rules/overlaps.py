"""Meaning 1: assignments are simultaneous; the same target twice and partial overlaps are errors (CQ301, CQ302).

Positions that depend on the row (`last` and `5`) are compared again where rows are known, in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.diagnostics import Diagnostic, Label, Span
from causalcircuit.query import Assignment, Site, relation, render


@rule
def overlaps(context: Context) -> Iterator[Diagnostic]:
    """Compare the targets of each world pairwise."""
    seen: set[tuple[Span | None, Span | None]] = {(None, None)}
    for world, place in context.worlds():
        for a, b in _pairs(context, sorted(world.assignments, key=_written)):
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


def _pairs(context: Context, written: list[Assignment]) -> Iterator[tuple[Assignment, Assignment]]:
    """The pairs that may overlap, in order: of sites, those that share components of a tensor."""
    tensors: dict[tuple[str, str, int | None], list[tuple[int, int, int]]] = {}
    others: list[int] = []
    for i, a in enumerate(written):
        if isinstance(a.target, Site):
            info = context.info(a.target)
            key = (a.target.address.model, info.tensor, info.key)
            tensors.setdefault(key, []).append((info.start, info.stop, i))
        else:
            others.append(i)
    found = list(combinations(others, 2))
    for ranges in tensors.values():
        ranges.sort()
        for at, (_, stop, i) in enumerate(ranges):
            for start, _, j in ranges[at + 1 :]:
                if start >= stop:
                    break
                found.append((min(i, j), max(i, j)))
    for i, j in sorted(found):
        yield written[i], written[j]


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
