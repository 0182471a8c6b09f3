"""Conditional effects of sets on five to eight variables: verdicts by search and fixing, formulas by enumeration."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from causalcircuit.causal.bits import mask_of
from causalcircuit.causal.conditional import divided, exchanged
from causalcircuit.causal.id import NotIdentified
from causalcircuit.causal.rendering import tidy
from causalcircuit.causal.steps import Trace
from tests.causal import fixing
from tests.causal.helping import by_id, mixed, on
from tests.causal.models import Drawn, Model, random_graph
from tests.causal.test_exhaustion import apart, hedge

TOLERANCE = 1e-9


def verdict(graph: Drawn, y: set[int], x: set[int], z: set[int]) -> bool:
    """Another way to decide: the largest part of z, by trying every part, that rule 2 lets be set; then fixing."""
    best: set[int] = set()
    for count in range(len(z), 0, -1):
        for part in itertools.combinations(sorted(z), count):
            if second_rule(graph, y, x, z - set(part), set(part)):
                best = set(part)
                break
        if best:
            break
    return fixing.identified(graph, y | (z - best), x | best) is True


def second_rule(graph: Drawn, y: set[int], x: set[int], z: set[int], part: set[int]) -> bool:
    made = nx.DiGraph()
    made.add_nodes_from(range(graph.n))
    made.add_edges_from((a, b) for a, b in graph.directed if b not in x and a not in part)
    for a, b in graph.bidirected:
        if not {a, b} & x:
            made.add_edges_from([(("u", a, b), a), (("u", a, b), b)])
    return nx.is_d_separator(made, y, part, x | z)


def ask(seed: int) -> tuple[str, Drawn]:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(5, 9)), rng.uniform(0.25, 0.6), rng.uniform(0.05, 0.3))
    order = [int(v) for v in rng.permutation(graph.n)]
    sizes = rng.integers(1, 3), rng.integers(1, 3), rng.integers(0, 3)
    ends = np.cumsum(sizes)
    y, x, z = set(order[: ends[0]]), set(order[ends[0] : ends[1]]), set(order[ends[1] : ends[2]])
    walked = mixed(graph)
    trace = Trace() if seed % 5 == 0 else None
    more_x, fewer_z = exchanged(walked, mask_of(y), mask_of(x), mask_of(z), trace)
    xs = {v for v in range(graph.n) if more_x >> v & 1}
    zs = {v for v in range(graph.n) if fewer_z >> v & 1}
    joint = by_id(walked, y | zs, xs, trace)
    assert verdict(graph, y, x, z) is not isinstance(joint, NotIdentified), (seed, graph, y, x, z)
    if isinstance(joint, NotIdentified):
        hedge(graph, joint, y, xs, frozenset(zs))
        return "refused", graph
    found = divided(mask_of(y), fewer_z, more_x, joint, trace)
    model = Model(graph, rng)
    truth = model.effect(y, x, z)
    assert np.abs(on(model, found) - truth).max() < TOLERANCE, (seed, graph, y, x, z)
    assert np.abs(on(model, tidy(found)) - truth).max() < TOLERANCE
    for step in trace or ():
        gap = on(model, step.before, experiments=True) - on(model, step.after, experiments=True)
        assert np.abs(gap).max() < TOLERANCE, (seed, step)
        assert all(apart(graph, claim) for claim in step.claims)
    return "conditional" if zs else "found", graph


def test_some_random_questions() -> None:
    kinds = [ask(seed)[0] for seed in range(200)]
    assert min(kinds.count(k) for k in ("refused", "found", "conditional")) > 20


@pytest.mark.slow
def test_two_thousand_random_questions() -> None:
    kinds = [ask(seed)[0] for seed in range(10_000, 12_000)]
    assert min(kinds.count(k) for k in ("refused", "found", "conditional")) > 200
