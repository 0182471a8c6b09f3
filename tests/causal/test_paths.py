"""Open paths: every path of small diagrams by definition, and what m-separation says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram
from causalcircuit.causal.paths import open_path, separator
from causalcircuit.diagnostics import DiagnosticError

NAMES = "ABCDF"


@st.composite
def asked(draw: st.DrawFn) -> tuple[Diagram, list[str], list[str], list[str]]:
    n = draw(st.integers(2, 5))
    names = NAMES[:n]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    some = st.lists(st.sampled_from(pairs), unique=True, max_size=7)
    latents = draw(st.sets(st.sampled_from(names), max_size=1))
    diagram = Diagram(tuple(names), tuple(draw(some)), tuple(draw(some)), frozenset(latents))
    sides: list[list[str]] = [[], [], []]
    order = draw(st.permutations(names))
    sides[0], sides[1] = [order[0]], [order[1]]
    for v in order[2:]:
        side = draw(st.integers(0, 4))
        if side < 3:
            sides[side].append(v)
    return diagram, sides[0], sides[1], sides[2]


def every_path(diagram: Diagram, a: str, b: str) -> Iterator[tuple[list[str], list[str]]]:
    """Every path between two vertices, several edges between the same two told apart."""
    edges = [(x, "->", y) for x, y in diagram.directed] + [(y, "<-", x) for x, y in diagram.directed]
    edges += [(x, "<->", y) for x, y in diagram.bidirected] + [(y, "<->", x) for x, y in diagram.bidirected]

    def grow(vertices: list[str], marks: list[str]) -> Iterator[tuple[list[str], list[str]]]:
        if vertices[-1] == b:
            yield vertices, marks
            return
        for x, mark, y in edges:
            if x == vertices[-1] and y not in vertices:
                yield from grow([*vertices, y], [*marks, mark])

    yield from grow([a], [])


def is_open(diagram: Diagram, vertices: list[str], marks: list[str], closed: set[str]) -> bool:
    for before, v, after in zip(marks, vertices[1:], marks[1:], strict=False):
        collides = before in ("->", "<->") and after in ("<-", "<->")
        if collides and not closed & set(diagram.descendants(v)):
            return False
        if not collides and v in closed:
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(asked())
def test_a_shortest_open_path(question: tuple[Diagram, list[str], list[str], list[str]]) -> None:
    diagram, one, other, behind = question
    closed = set(behind)
    opened = [p for a in one for b in other for p in every_path(diagram, a, b) if is_open(diagram, *p, closed)]
    found = open_path(diagram, one, other, behind)
    assert (found is None) == diagram.separated(one, other, behind) == (not opened)
    if found is None:
        return
    assert len(found.edges) == min(len(marks) for _, marks in opened)
    assert (list(found.vertices), list(found.edges)) in opened
    colliders = {
        v
        for before, v, after in zip(found.edges, found.vertices[1:], found.edges[1:], strict=False)
        if before in ("->", "<->") and after in ("<-", "<->")
    }
    assert {c for c, _ in found.opened} == colliders
    assert all(by in closed and by in diagram.descendants(c) for c, by in found.opened)
    assert len(found.why) == len(colliders)


@settings(max_examples=200, deadline=None)
@given(asked())
def test_a_separator_separates_and_is_minimal(question: tuple[Diagram, list[str], list[str], list[str]]) -> None:
    diagram, one, other, _ = question
    rest = [v for v in diagram.observed if v not in (*one, *other)]
    found = separator(diagram, one, other)
    subsets = [[v for i, v in enumerate(rest) if m >> i & 1] for m in range(1 << len(rest))]
    assert (found is not None) == any(diagram.separated(one, other, s) for s in subsets)
    if found is not None:
        assert diagram.separated(one, other, found)
        assert set(found) <= set(rest)
        assert not any(diagram.separated(one, other, [v for v in found if v != w]) for w in found)


def test_the_words_of_a_path() -> None:
    found = open_path(Diagram.read("X -> M, Y -> M, M -> S, X <-> Z"), "Z", "Y", "S")
    assert found is not None
    assert str(found) == "Z <-> X -> M <- Y"
    assert found.why == ("M is a common effect on it, and its effect S is conditioned on",)
    with pytest.raises(DiagnosticError, match="CQ833"):
        open_path(Diagram.read("X -> Y"), "X", "Y", "X")
