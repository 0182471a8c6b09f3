"""Which arrows of a linear model with correlated errors follow from covariances, and how: the half-trek criterion.

Foygel, Draisma & Drton (2012), "Half-trek criterion for generic identifiability of linear structural equation models",
Annals of Statistics 40. Variable v with causes P is solved with a set W of as many others: none is v or shares an error
with v; half-treks lead from W to P without meeting; and each that v's error reaches is itself solved. Its coefficients
are then A⁻¹b with A = Cov(W′, P), b = Cov(W′, v), where W′ is the error of those that v's error reaches, and the
variable itself of the others. With W = P and no such errors this is least squares; otherwise an instrument.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.causal.bits import bits
from causalcircuit.causal.mixed import Mixed


@dataclass(frozen=True, slots=True)
class Step:
    """How the coefficients of one variable are found.

    Attributes:
        of: the variable. causes: P. by: W, as many. errors: whether of each of W its error is taken.
    """

    of: int
    causes: tuple[int, ...]
    by: tuple[int, ...]
    errors: tuple[bool, ...]

    @property
    def plain(self) -> bool:
        """Whether it is least squares."""
        return self.by == self.causes and not any(self.errors)


def solved(graph: Mixed) -> dict[int, Step]:
    """A step for each variable whose coefficients are identified, in an order in which they can be taken."""
    reached = [_half_treks(graph, v) for v in range(graph.n)]
    found: dict[int, Step] = {}
    grown = True
    while grown:
        grown = False
        for v in range(graph.n):
            if v in found:
                continue
            known = sum(1 << w for w in found)
            free = graph.all & ~(1 << v) & ~graph.sp[v] & (~reached[v] | known)
            chosen = _chosen(graph, free, graph.pa[v])
            if chosen is not None:
                causes = tuple(bits(graph.pa[v]))
                found[v] = Step(v, causes, chosen, tuple(bool(reached[v] >> w & 1) for w in chosen))
                grown = True
    return found


def _half_treks(graph: Mixed, v: int) -> int:
    """What the error of `v` reaches: over one bidirected edge or none, then along arrows."""
    start = graph.sp[v] | graph.ch[v]
    return graph.descendants(start, graph.all) & ~(1 << v)


def _chosen(graph: Mixed, free: int, causes: int) -> tuple[int, ...] | None:
    """As many of `free` as there are causes, with half-treks to them that do not meet; the causes where they serve."""
    wanted = list(bits(causes))
    if not causes & ~free:
        return tuple(wanted)
    room = _room(graph, free, causes)
    own = [p for p in wanted if free >> p & 1]
    chosen: list[int] = []
    for w in (*own, *(w for w in reversed(range(graph.n)) if free >> w & 1 and w not in own)):
        if _augmented(room, ("left", w)):
            chosen.append(w)
        if len(chosen) == len(wanted):
            return tuple(chosen)
    return None


_Place = tuple[str, int]
_END: _Place = ("end", 0)


def _room(graph: Mixed, free: int, causes: int) -> dict[_Place, set[_Place]]:
    """Where half-treks may go: a step from a start, then arrows; each vertex is split so that one passes it only."""
    room: dict[_Place, set[_Place]] = {_END: set()}
    for v in range(graph.n):
        room["left", v] = {("in", u) for u in bits((1 << v) | graph.sp[v])} if free >> v & 1 else set()
        room["in", v] = {("out", v)}
        room["out", v] = {("in", u) for u in bits(graph.ch[v])} | ({_END} if causes >> v & 1 else set())
    return room


def _augmented(room: dict[_Place, set[_Place]], start: _Place) -> bool:
    """Lead one more half-trek from `start` to the end, others moved aside where that helps (Ford and Fulkerson)."""
    came: dict[_Place, _Place] = {start: start}
    todo = [start]
    for place in todo:
        for one in sorted(room[place] - came.keys()):
            came[one] = place
            todo.append(one)
    if _END not in came:
        return False
    at = _END
    while at != start:
        before = came[at]
        room[before].discard(at)
        room[at].add(before)
        at = before
    return True
