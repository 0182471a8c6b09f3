"""Diagrams: built, read, written, projected; and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram, from_networkx, independences, to_dagitty, to_dot, to_networkx
from causalcircuit.causal.bits import bits, mask_of, subsets
from causalcircuit.causal.separation import separated
from causalcircuit.diagnostics import DiagnosticError
from tests.causal.helping import mixed
from tests.causal.models import Drawn, random_graph
from tests.causal.test_surrogates import named


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Diagrams with awkward names, latents and lone vertices."""
    odd = st.sampled_from(["node", "dag", "a b", "o", "-1", "x->y", "U(A, B)", "subgraph", "é", "[", '"', "\\"])
    names = draw(st.lists(st.text(min_size=1, max_size=6) | odd, min_size=2, max_size=6, unique=True))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    directed = draw(st.lists(st.sampled_from(pairs), unique=True))
    bidirected = draw(st.lists(st.sampled_from(pairs), unique=True))
    latents = draw(st.sets(st.sampled_from(names)))
    selections = draw(st.lists(st.tuples(st.sampled_from(["\n here", "there"]), st.sampled_from(names)), max_size=3))
    return Diagram(tuple(names), tuple(directed), tuple(bidirected), frozenset(latents), tuple(selections))


def same(one: Diagram, other: Diagram) -> bool:
    parts = [(set(d.vertices), set(d.directed), set(d.bidirected), d.latents, set(d.selections)) for d in (one, other)]
    return parts[0] == parts[1]


@settings(max_examples=80, deadline=None)
@given(diagrams())
def test_what_is_written_is_read_back(diagram: Diagram) -> None:
    assert same(Diagram.read(to_dot(diagram)), diagram)
    assert same(Diagram.read(to_dagitty(diagram)), diagram)


@settings(max_examples=60, deadline=None)
@given(diagrams())
def test_networkx_keeps_the_latent_projection(diagram: Diagram) -> None:
    """There a bidirected edge is a latent; projected, the two are one diagram."""
    diagram = replace(diagram, selections=())
    back = from_networkx(to_networkx(diagram))
    assert back.bidirected == ()
    if diagram.observed:
        assert same(back.projected(diagram.observed), diagram.projected(diagram.observed))


def test_projection_keeps_every_separation() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        graph = random_graph(rng, 6, 0.45, 0.2)
        keep = [v for v in range(6) if rng.random() < 0.7]
        walked = mixed(graph)
        smaller = walked.without(walked.all & ~mask_of(keep))
        for i, a in enumerate(keep):
            for b in keep[i + 1 :]:
                for z in subsets(mask_of(keep) & ~(1 << a | 1 << b)):
                    assert separated(walked, 1 << a, 1 << b, z) is separated(smaller, 1 << a, 1 << b, z)


def test_implied_independences_are_those_of_separable_pairs_with_minimal_sets() -> None:
    rng = np.random.default_rng(9)
    for _ in range(40):
        graph = random_graph(rng, 5, 0.4, 0.2)
        diagram = named(graph, {})
        walked = mixed(graph)
        found = {(i.a, i.b): i.given for i in independences(diagram)}
        for b in range(5):
            for a in range(b):
                rest = walked.all & ~(1 << a | 1 << b)
                good = [z for z in subsets(rest) if separated(walked, 1 << a, 1 << b, z)]
                assert ((f"v{a}", f"v{b}") in found) is bool(good)
                if good:
                    z = mask_of(int(v[1:]) for v in found[f"v{a}", f"v{b}"])
                    assert z in good
                    assert not any(separated(walked, 1 << a, 1 << b, z & ~(1 << v)) for v in bits(z))


def test_the_forms_of_a_text() -> None:
    front = Diagram(("X", "M", "Y"), (("X", "M"), ("M", "Y")), (("X", "Y"),))
    assert same(Diagram.read("X -> M, M -> Y, X <-> Y"), front)
    assert same(Diagram.read("X -> M -> Y; Y <-> X"), front)
    assert same(Diagram.read("Y <- M <- X\nX <-> Y"), front)
    assert same(
        Diagram.read('dag { bb="0,0,1,1"\nX [exposure,pos="-0.5,0.1"] Y [outcome]\nX -> M -> Y\nX <-> Y }'), front
    )
    assert same(
        Diagram.read("strict digraph G { rankdir=LR; node [shape=box]; X -> M -> Y; X -> Y [dir=both] }"), front
    )
    hidden = Diagram.read("digraph { U [observed=no]; U -> { X Y }; X -> Y; Z }")
    assert hidden.latents == {"U"}
    assert same(hidden.projected(hidden.observed), Diagram.read("X -> Y, X <-> Y, Z"))
    assert str(front) == "X -> M, M -> Y, X <-> Y"
    assert same(Diagram.read(str(hidden.projected(hidden.observed))), hidden.projected(hidden.observed))


def test_a_graph_of_networkx() -> None:
    graph = nx.MultiDiGraph()
    graph.add_node("U", observed="no")
    graph.add_edges_from([("U", "X"), ("X", "Y")])
    graph.add_edge("X", "Y", key="bidirected")
    graph.add_edge("Y", "Z", dir="both")
    found = from_networkx(graph)
    assert same(
        found, Diagram(("U", "X", "Y", "Z"), (("U", "X"), ("X", "Y")), (("X", "Y"), ("Y", "Z")), frozenset("U"))
    )


def test_questions_to_a_diagram() -> None:
    diagram = Diagram.read("dag { U [latent] U -> {A B} A -> C B -> C C -> D A <-> D }")
    assert diagram.ancestors("C") == ("U", "A", "B", "C")
    assert diagram.descendants("B") == ("B", "C", "D")
    assert diagram.districts() == (("A", "B", "D"), ("C",))
    assert diagram.separated("B", "D", ["U", "C", "A"])
    assert not diagram.separated("B", "D", ["C", "A"])


def test_a_difference_of_a_latent_is_handed_on() -> None:
    diagram = Diagram(("U", "A", "B"), (("U", "A"), ("A", "B")), (), frozenset("U"), (("other", "U"),))
    assert diagram.projected(["A", "B"]).selections == (("other", "A"),)


WRONG = [
    ("CQ830", "A -> B, B -> C, C -> A", "A -> B -> C -> A"),
    ("CQ830", "D -> A, A -> B, B -> A, B -> C", "A -> B -> A"),
    ("CQ831", "X -> X", "`X`"),
    ("CQ831", "X <-> X", "`X`"),
    ("CQ834", "X => Y", "`>`"),
    ("CQ834", "graph { X -- Y }", "`--`"),
    ("CQ834", "digraph { X -> Y", "`the end`"),
    ("CQ834", "X -> ", "`the end`"),
    ("CQ834", "X -> Y }", "`}`"),
    ("CQ834", "X [latent", "`the end`"),
    ("CQ834", 'X -> "Y', '`"`'),
    ("CQ834", "-> Y", "`->`"),
    ("CQ834", "X > Y", "`>`"),
    ("CQ834", "pag { X o-> Y }", "`o->`"),
    ("CQ834", "pag { X o-o Y }", "`o-o`"),
    ("CQ834", "digraph { subgraph c { X -> Y } }", "`subgraph`"),
    ("CQ834", "dag { P [selection] X -> P }", "X into a population"),
    ("CQ834", "dag { P [selection] P <-> X }", "`P <-> X`"),
]


@pytest.mark.parametrize(("code", "text", "named"), WRONG)
def test_what_is_wrong_with_a_text(code: str, text: str, named: str) -> None:
    with pytest.raises(DiagnosticError) as problem:
        Diagram.read(text)
    (found,) = problem.value.diagnostics
    assert found.code == code
    assert named in found.message
    assert found.help


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='XY ->< {}[];,="\\\n/*#', max_size=30))
def test_any_text_is_a_diagram_or_a_diagnostic(text: str) -> None:
    codes: set[str] = set()
    try:
        Diagram.read(text)
    except DiagnosticError as problem:
        codes = {d.code for d in problem.diagnostics}
    assert codes <= {"CQ830", "CQ831", "CQ834"}


def test_latents_and_populations_are_of_known_variables() -> None:
    for wrong in ({"latents": frozenset({"Q"})}, {"selections": (("trial", "Q"),)}):
        with pytest.raises(DiagnosticError, match="CQ832"):
            Diagram(("X",), **wrong)  # type: ignore[arg-type]
    assert Drawn(1, (), ()).n == 1
