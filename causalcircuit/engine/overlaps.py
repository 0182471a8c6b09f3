"""Simultaneous assignments to one tensor: the narrower wins, anything else is an error."""

from __future__ import annotations

from causalcircuit.engine.prepared import Edit
from causalcircuit.engine.problems import Problems
from causalcircuit.models.problem import RowError
from causalcircuit.query import render


def in_order(edits: list[Edit], problems: Problems) -> list[Edit]:
    """The edits with the wider before the narrower, so that the narrower is written last.

    Where two share a component and a position in a row, one must be a strict part of the other there: which, is
    known only now that positions are resolved.
    """
    ordered = sorted(edits, key=lambda e: -e.info.width * sum(len(p) for p in e.positions))
    for k, wide in enumerate(ordered):
        for narrow in ordered[k + 1 :]:
            if wide.info.overlaps(narrow.info):
                _check(wide, narrow, problems)
    return ordered


def _check(wide: Edit, narrow: Edit, problems: Problems) -> None:
    inside = wide.info.contains(narrow.info)
    same = inside and narrow.info.contains(wide.info)
    for i, (outer, inner) in enumerate(zip(wide.positions, narrow.positions, strict=True)):
        shared = set(outer) & set(inner)
        if not shared:
            continue
        part = inside and set(inner) <= set(outer)
        if not part or (same and set(inner) == set(outer)):
            kind = "the same target" if part else "a part of each other only"
            problems.row(
                RowError(
                    "CQ351",
                    f"`{render(wide.site)}` and `{render(narrow.site)}` are both assigned and overlap",
                    f"{kind}, at position {min(shared)}",
                    "of overlapping assignments one must be a strict part of the other; the narrower wins",
                ),
                i,
                narrow.site.span,
            )
