"""Views of a diagram: the model of some variables, the others projected out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

from causalcircuit.causal import Diagram
from causalcircuit.scm.worlds import Moment

_MOST = 4096
View = TypeVar("View")


def views(diagram: Diagram, moments: Sequence[Moment], of: Callable[[Diagram], View]) -> Iterator[View]:
    """The model of all variables, then of ever fewer; what the question speaks of stays.

    A question about single arrows is about the whole: fewer variables have other arrows.
    """
    yield of(diagram)
    if any(m.wired for m in moments):
        return
    asked = {name for m in moments for name in m.names()}
    spare = [v for v in diagram.frame.names if v not in asked]
    tried = 0
    for size in range(1, len(spare) + 1):
        for away in combinations(spare, size):
            tried += 1
            if tried > _MOST:
                return
            yield of(diagram.projected(tuple(v for v in diagram.vertices if v not in away)))
