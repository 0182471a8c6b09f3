"""Verdicts beside those of y0, where it is installed (it is not pinned): every pair of every graph of four."""

from __future__ import annotations

import itertools

import pytest

from causalcircuit.causal.id import NotIdentified
from tests.causal.helping import by_id, mixed
from tests.causal.models import graphs


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3, 4])
def test_y0_finds_the_same_identified(n: int) -> None:
    algorithm = pytest.importorskip("y0.algorithm.identify")
    dsl = pytest.importorskip("y0.dsl")
    drawn = pytest.importorskip("y0.graph")
    names = [dsl.Variable(f"V{i}") for i in range(n)]
    asked = 0
    for graph in graphs(n):
        theirs = drawn.NxMixedGraph.from_edges(
            nodes=names,
            directed=[(names[a], names[b]) for a, b in graph.directed],
            undirected=[(names[a], names[b]) for a, b in graph.bidirected],
        )
        ours = mixed(graph)
        for x, y in itertools.permutations(range(n), 2):
            found = algorithm.identify_outcomes(theirs, treatments=[names[x]], outcomes=[names[y]])
            assert (found is None) is isinstance(by_id(ours, {y}, {x}), NotIdentified), (graph, x, y)
            asked += 1
    assert asked == 4 ** (n * (n - 1) // 2) * n * (n - 1)
