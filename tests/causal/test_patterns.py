"""Patterns with background knowledge: every diagram that a pattern stands for, and those that the knowledge leaves."""

from __future__ import annotations

import itertools

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.causal.patterns import Pair, oriented


def colliders(graph: nx.DiGraph) -> set[tuple[int, int, int]]:
    found = set()
    for v in graph:
        for a, b in itertools.combinations(sorted(graph.predecessors(v)), 2):
            if not graph.has_edge(a, b) and not graph.has_edge(b, a):
                found.add((a, v, b))
    return found


def alike(graph: nx.DiGraph) -> list[set[Pair]]:
    """Every diagram with the same adjacencies and colliders: those that no independence tells apart."""
    pairs = list(graph.edges)
    out = []
    for turns in itertools.product([False, True], repeat=len(pairs)):
        other = nx.DiGraph([(b, a) if t else (a, b) for (a, b), t in zip(pairs, turns, strict=True)])
        other.add_nodes_from(graph)
        if nx.is_directed_acyclic_graph(other) and colliders(other) == colliders(graph):
            out.append(set(other.edges))
    return out


def common(members: list[set[Pair]]) -> tuple[set[Pair], set[Pair]]:
    """The arrows that all have, and the lines for the rest."""
    arrows = set.intersection(*members)
    rest = {(min(p), max(p)) for m in members for p in m} - {(min(p), max(p)) for p in arrows}
    return arrows, rest


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 5), st.data())
def test_knowledge_orients_just_what_follows(n: int, data: st.DataObject) -> None:
    pairs = list(itertools.combinations(range(n), 2))
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=7))
    order = data.draw(st.permutations(range(n)))
    graph = nx.DiGraph([(order[a], order[b]) for a, b in edges])
    graph.add_nodes_from(range(n))
    members = alike(graph)
    arrows, lines = common(members)
    assert oriented(arrows, lines, ()) == (arrows, lines)
    truth = data.draw(st.sampled_from(members))
    back = [(b, a) for a, b in truth if (min(a, b), max(a, b)) in lines]
    forbidden = data.draw(st.lists(st.sampled_from(back), unique=True)) if back else []
    left = [m for m in members if not m & set(forbidden)]
    assert oriented(arrows, lines, forbidden) == common(left)


def test_contradictions_stay() -> None:
    assert oriented([(0, 1)], [], [(0, 1)]) == ({(0, 1)}, set())
    assert oriented([], [(0, 1)], [(0, 1), (1, 0)]) == (set(), {(0, 1)})


@pytest.mark.parametrize(
    ("arrows", "lines", "found"),
    [
        ([(0, 1)], [(1, 2)], {(1, 2)}),  # 1
        ([(0, 1), (1, 2)], [(0, 2)], {(0, 2)}),  # 2
        ([(1, 3), (2, 3)], [(0, 1), (0, 2), (0, 3)], {(0, 3)}),  # 3
    ],
)
def test_rules(arrows: list[Pair], lines: list[Pair], found: set[Pair]) -> None:
    assert found <= oriented(arrows, lines, ())[0]
