"""Patterns (CPDAGs): what background knowledge says of their lines, and the arrows that follow from it."""

from __future__ import annotations

from collections.abc import Iterable

Pair = tuple[int, int]


def oriented(arrows: Iterable[Pair], lines: Iterable[Pair], forbidden: Iterable[Pair]) -> tuple[set[Pair], set[Pair]]:
    """A pattern whose lines lead the way that is not forbidden, and all that follows by Meek's rules.

    Args:
        arrows, lines: the edges, between numbers. forbidden: arrows that cannot be.

    Returns:
        The arrows and the lines that are left (each as a pair in ascending order). An arrow that is forbidden stays, as
        does a line that is forbidden both ways: they contradict, and are for the reader.

    Source: Meek 1995, rules 1 to 4; complete where the knowledge is of single arrows.
    """
    directed, left = set(arrows), {(min(p), max(p)) for p in lines}
    barred = set(forbidden)
    for a, b in sorted(left):
        if ((a, b) in barred) != ((b, a) in barred):
            left.discard((a, b))
            directed.add((b, a) if (a, b) in barred else (a, b))
    while True:
        found = next(((a, b) for p in sorted(left) for a, b in (p, p[::-1]) if _follows(a, b, directed, left)), None)
        if found is None:
            return directed, left
        left.discard((min(found), max(found)))
        directed.add(found)


def _follows(a: int, b: int, arrows: set[Pair], lines: set[Pair]) -> bool:
    """Whether a line between a and b must lead to b."""
    near = {v for pair in (*arrows, *lines) for v in pair}

    def line(u: int, v: int) -> bool:
        return (min(u, v), max(u, v)) in lines

    def joined(u: int, v: int) -> bool:
        return line(u, v) or (u, v) in arrows or (v, u) in arrows

    if any((c, a) in arrows and not joined(c, b) for c in near - {b}):
        return True  # 1: else there would be a new collider at a
    if any((a, c) in arrows and (c, b) in arrows for c in near):
        return True  # 2: else there would be a cycle
    sides = [c for c in near if line(a, c) and (c, b) in arrows]
    if any(not joined(c, d) for c in sides for d in sides if c < d):
        return True  # 3: either side would make a cycle or a collider
    return any(
        line(a, c) and (c, d) in arrows and (d, b) in arrows and not joined(c, b) and joined(a, d)
        for c in near
        for d in near
    )  # 4
