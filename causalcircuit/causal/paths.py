"""Open paths: along which two sets of variables depend on each other, where a diagram does not keep them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from causalcircuit.causal.bits import bits
from causalcircuit.causal.diagram import Diagram, Frame, Names, apart
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.separators import Cut

_State = tuple[int, bool]
"""A vertex, and whether the last edge of the walk has its arrowhead there."""


@dataclass(frozen=True)
class OpenPath:
    """A path on which no vertex blocks.

    Attributes:
        vertices: from one end to the other, latents too.
        edges: `->`, `<-` or `<->` between each and the next.
        opened: for each collider on it, the variable that is conditioned on and opens it: the collider, or an effect.
    """

    vertices: tuple[str, ...]
    edges: tuple[str, ...]
    opened: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The path as `X <- U -> Y`."""
        return self.vertices[0] + "".join(f" {e} {v}" for e, v in zip(self.edges, self.vertices[1:], strict=True))

    @property
    def why(self) -> tuple[str, ...]:
        """What opens each collider, in words."""
        return tuple(
            f"{c} is a common effect on it, and is conditioned on"
            if c == by
            else f"{c} is a common effect on it, and its effect {by} is conditioned on"
            for c, by in self.opened
        )


def open_path(diagram: Diagram, a: Names, b: Names, given: Names = ()) -> OpenPath | None:
    """A shortest open path between two sets of variables given a third; `None` where they are m-separated.

    A walk is open if no vertex of `given` stands on it but as a collider, and each collider has an effect (or itself)
    in `given`. A shortest open walk repeats no vertex: cutting a loop out leaves an open walk, since a vertex that
    becomes a collider by the cut is a cause of one that was open.

    Raises:
        DiagnosticError: CQ832 an unknown variable, CQ833 one that stands on two sides.
    """
    frame = diagram.full
    start, goal, closed = (frame.mask(side) for side in (a, b, given))
    apart(frame, start, goal, closed)
    graph = frame.graph
    colliders = graph.ancestors(closed, graph.all)
    came: dict[_State, tuple[_State | None, str]] = {(v, False): (None, "") for v in bits(start)}
    todo = list(came)
    for state in todo:  # grows as it is walked: breadth first
        if goal >> state[0] & 1:
            return _walked(frame, state, came, closed)
        for edge, new in _steps(graph, state, closed, colliders):
            if new not in came:
                came[new] = (state, edge)
                todo.append(new)
    return None


def _steps(graph: Mixed, state: _State, closed: int, colliders: int) -> Iterator[tuple[str, _State]]:
    """The edges on which an open walk may go on."""
    v, by_head = state
    through = not closed >> v & 1
    if through:
        for w in bits(graph.ch[v]):
            yield "->", (w, True)
    if (colliders >> v & 1) if by_head else through:
        for w in bits(graph.pa[v]):
            yield "<-", (w, False)
        for w in bits(graph.sp[v]):
            yield "<->", (w, True)


def _walked(frame: Frame, last: _State, came: dict[_State, tuple[_State | None, str]], closed: int) -> OpenPath:
    """The path that led to a state."""
    vertices, edges = [last[0]], []
    state: _State | None = last
    while state is not None:
        before, edge = came[state]
        if before is not None:
            vertices.append(before[0])
            edges.append(edge)
        state = before
    vertices.reverse()
    edges.reverse()
    opened = []
    for i in range(1, len(edges)):
        if edges[i - 1] in ("->", "<->") and edges[i] in ("<-", "<->"):
            collider = vertices[i]
            below = frame.graph.descendants(1 << collider, frame.graph.all) & closed
            by = collider if below >> collider & 1 else next(bits(below))
            opened.append((frame.names[collider], frame.names[by]))
    return OpenPath(tuple(frame.names[v] for v in vertices), tuple(edges), tuple(opened))


def separator(diagram: Diagram, a: Names, b: Names) -> tuple[str, ...] | None:
    """A minimal set of observed variables that m-separates two sets, near `b`; `None` where there is none.

    Raises:
        DiagnosticError: CQ832 an unknown variable, CQ833 one that stands on two sides.
    """
    frame = diagram.full
    one, other = frame.mask(a), frame.mask(b)
    apart(frame, one, other)
    cut = Cut(frame.graph, one, other, frame.observed)
    return frame.named(cut.near_b()) if cut.possible else None
