"""The room's functions on numbered graphs, and its terms on true models."""

from __future__ import annotations

import numpy as np

from causalcircuit.causal.bits import bits, mask_of
from causalcircuit.causal.evaluating import values
from causalcircuit.causal.id import Context, NotIdentified, identify
from causalcircuit.causal.law import Observed
from causalcircuit.causal.mixed import Mixed
from causalcircuit.causal.steps import Trace
from causalcircuit.causal.terms import Prob, Term
from tests.causal.models import Drawn, Model


def mixed(graph: Drawn) -> Mixed:
    return Mixed(graph.n, graph.directed, graph.bidirected)


def by_id(graph: Mixed, y: set[int], x: set[int], trace: Trace | None = None) -> Term | NotIdentified:
    everything = graph.all
    try:
        return identify(Context(graph, trace), mask_of(y), mask_of(x), Observed(graph, everything), everything)
    except NotIdentified as failure:
        return failure


def on(model: Model, term: Term, *, experiments: bool = False) -> np.ndarray:
    """A term's value where P is that of the model; terms with `do` need `experiments`."""

    def oracle(part: Prob) -> np.ndarray:
        assert experiments or not part.do
        law = model.law(frozenset(bits(part.do)))
        needed = part.of | part.given
        both = law.sum(axis=tuple(v for v in range(model.graph.n) if not (needed | part.do) >> v & 1), keepdims=True)
        return both / both.sum(axis=tuple(bits(part.of)), keepdims=True) if part.given else both

    return values(term, oracle, [model.size] * model.graph.n)
