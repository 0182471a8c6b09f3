"""Circuits as sets of wires, against sets of Python; routes against every chain of wires; ranks against scipy."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ALL, LAST, Position, Site
from causalcircuit.query.circuit import Circuit, CircuitEdge, Score
from causalcircuit.query.circuits import (
    Both,
    Either,
    Not,
    Test,
    belongs,
    compare,
    difference,
    filtered,
    grouped,
    intersection,
    paths,
    renamed,
    routes,
    strongest,
    union,
)
from causalcircuit.query.circuits.sets import ordered, wiring_of
from tests.circuits.samples import circuit, edge, site

HEADS = [f"layer[{i}].head[{j}]" for i in range(3) for j in range(2)]
WRITES = ["embed", *(f"{h}.out" for h in HEADS), *(f"layer[{i}].mlp.out" for i in range(3))]
READS = [*(f"{h}.{x}" for h in HEADS for x in "qkv"), *(f"layer[{i}].mlp.in" for i in range(3))]


def layer(text: str) -> float:
    """Where in the order a node stands."""
    return -1 if text == "embed" else int(text[6]) + (0.5 if "mlp" in text else 0.0)


WIRES = [(a, b) for a in WRITES for b in READS if layer(a) < layer(b)] + [(a, None) for a in WRITES]
wires = st.dictionaries(st.sampled_from(WIRES), st.floats(-2, 2).map(lambda x: round(x, 2)), max_size=14)


def of(scores: dict[tuple[str, str | None], float], name: str = "C") -> Circuit:
    return circuit(*(edge(a, b, s, abs(s) / 2) for (a, b), s in scores.items()), name=name)


def ends(c: Circuit) -> set[tuple[Site, Site | None]]:
    return {wiring_of(e) for e in c.edges}


@settings(deadline=None)
@given(wires, wires)
def test_sets_are_sets(one: dict[tuple[str, str | None], float], two: dict[tuple[str, str | None], float]) -> None:
    a, b = of(one, "A"), of(two, "B")
    assert ends(union(a, b)) == ends(a) | ends(b)
    assert ends(intersection(a, b)) == ends(a) & ends(b)
    assert ends(difference(a, b)) == ends(a) - ends(b)
    for made in (union(a, b), intersection(a, b), difference(a, b)):
        assert made.edges == ordered(made.edges)
        assert made.name == "A"
    scored = {wiring_of(e): e.score for e in a.edges}
    assert all(e.score == scored[wiring_of(e)] for e in (*intersection(a, b).edges, *difference(a, b).edges))
    assert union(a, a) == a == intersection(a, a)


def test_a_union_keeps_scores_of_one_attribution_only() -> None:
    from tests.circuits.samples import ORIGIN

    one, two = (of({w: 0.5}) for w in WIRES[:2])
    here, there = replace(one, origin=ORIGIN), replace(two, origin=ORIGIN)
    assert all(e.score is not None for e in union(here, there).edges)
    assert union(here, there).origin == ORIGIN
    other = union(here, replace(there, origin=replace(ORIGIN, method="eap")))
    assert other.origin is None
    assert [e.score for e in other.edges] == [None, None]


@settings(deadline=None)
@given(wires, st.floats(-1, 1), st.integers(0, 20))
def test_filters_and_the_strongest(scores: dict[tuple[str, str | None], float], bound: float, k: int) -> None:
    c = of(scores)
    kept = {w: s for w, s in scores.items() if abs(s) > bound and not abs(s) / 2 >= 0.9}
    found = filtered(c, Both((Test("abs(score)", ">", bound), Not(Test("selected", ">=", 0.9)))))
    assert ends(found) == ends(of(kept))
    either = filtered(c, Either((Test("score", "<", bound), Test("score", ">=", bound))))
    assert either == c
    first = sorted((abs(s) for s in scores.values()), reverse=True)[:k]
    assert [abs(e.score.value) for e in strongest(c, k).edges if e.score] == first


def test_what_is_measured_of_the_whole_holds_for_no_part() -> None:
    from causalcircuit.query.circuit import Trust

    c = replace(of(dict.fromkeys(WIRES[:4], 0.5)), trust=Trust(cpr=0.9))
    assert strongest(c, 2).trust is None
    assert filtered(c, Test("score", ">", 0.9)).trust is None
    assert filtered(c, Test("score", ">", 0.1)).trust == c.trust


def test_without_scores_nothing_is_filtered() -> None:
    bare, mixed = circuit(edge("embed", None)), circuit(edge("embed", None), edge("layer[0].mlp.out", None, 1.0))
    unselected = circuit(edge("embed", None, 1.0))
    for c in (bare, mixed):
        for ask in (lambda c: strongest(c, 1), lambda c: filtered(c, Test("score", ">", 0))):
            with pytest.raises(DiagnosticError, match="CQ259"):
                ask(c)
    with pytest.raises(DiagnosticError, match=r"CQ259.*selection frequencies"):
        filtered(unselected, Test("selected", ">", 0.5))


def test_two_models_have_no_wire_in_common() -> None:
    a = of(dict.fromkeys(WIRES[:2], 0.5))
    b = renamed(a, "other")
    assert b.sites[0].address.model == "other"
    assert renamed(b, "m") == a
    for ask in (union, intersection, difference, compare):
        with pytest.raises(DiagnosticError, match="CQ257"):
            ask(a, b)


# ---- routes


@pytest.mark.parametrize(
    ("read", "write", "joined"),
    [
        ("layer[1].head[3].q", "layer[1].head[3].out", True),
        ("layer[1].head[3].v", "layer[1].head[3].out", True),
        ("layer[1].head[3].q", "layer[1].head[2].out", False),
        ("layer[1].head[3].q", "layer[0].head[3].out", False),
        ("layer[1].head[3].q", "layer[1].attn.out", True),
        ("layer[1].attn.in", "layer[1].head[2].out", True),
        ("layer[1].mlp.in", "layer[1].mlp.out", True),
        ("layer[1].mlp.in", "layer[1].mlp.neuron[7]", True),
        ("layer[1].mlp.in", "layer[1].expert[2].out", True),
        ("layer[1].mlp.in", "layer[1].head[0].out", False),
        ("decoder.layer[1].cross.head[3].k", "decoder.layer[1].cross.head[3].out", True),
        ("decoder.layer[1].cross.head[3].k", "decoder.layer[1].head[3].out", False),
        ("decoder.layer[1].cross.head[3].k", "encoder.layer[1].cross.head[3].out", False),
        ("decoder.layer[1].cross.head[3].k", "decoder.layer[1].cross.out", True),
        ("layer[1].kv[1].k", "layer[1].head[3].out", True),
        ("layer[1].kv[1].k", "layer[1].head[1].out", False),
        ("projector.out", "projector.out", True),
        ("layer[1].head[3].out", "layer[1].head[3].out", False),
        ("layer[1].resid", "layer[1].mlp.out", False),
        ("embed", "embed", False),
    ],
)
def test_a_read_belongs_to_the_write_of_its_part(read: str, write: str, joined: bool) -> None:
    assert belongs(site(read), site(write), {"": 2}) == joined


def test_positions_part_queries_but_not_keys() -> None:
    first, last = Position("index", index=0), LAST
    out = site("layer[1].head[3].out", last)
    assert belongs(site("layer[1].head[3].q", last), out)
    assert belongs(site("layer[1].head[3].q", ALL), out)
    assert not belongs(site("layer[1].head[3].q", Position("index", index=-2)), out)
    assert belongs(site("layer[1].head[3].k", first), out)
    assert not belongs(site("layer[1].mlp.in", Position("index", index=-2)), site("layer[1].mlp.out", last))


def brute(c: Circuit, start: str, end: str | None) -> set[tuple[CircuitEdge, ...]]:
    """Every chain of wires from a node to another, out of all orders of all subsets of the wires."""
    found = set()
    for n in range(1, min(len(c.edges), 5) + 1):
        for chain in permutations(c.edges, n):
            joined = all(x.target and belongs(x.target, y.source) for x, y in pairwise(chain))
            target = chain[-1].target
            ended = target is None if end is None else target is not None and belongs(target, site(end))
            if joined and ended and chain[0].source == site(start):
                found.add(chain)
    return found


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(WIRES), st.just(0.5), max_size=7), st.sampled_from(WRITES),
       st.none() | st.sampled_from(WRITES[1:]))  # fmt: skip
def test_routes_are_all_chains(scores: dict[tuple[str, str | None], float], start: str, end: str | None) -> None:
    c = of(scores)
    wanted = set(brute(c, start, end))
    goal = None if end is None else [site(end)]
    found = [r for r in routes(c, [site(start)], goal) if len(r) <= 5]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    if all(len(r) <= 5 for r in routes(c, [site(start)], goal)):
        assert set(paths(c, [site(start)], goal).edges) == {e for r in wanted for e in r}


def test_a_dense_circuit_has_too_many_routes_to_list_and_its_wires_at_once() -> None:
    layers = 12
    every = [edge("embed", "layer[0].mlp.in", 1.0)]
    every += [
        edge(f"layer[{i}].mlp.out", f"layer[{j}].mlp.in", 1.0) for i in range(layers) for j in range(i + 1, layers)
    ]
    c = circuit(*every, edge(f"layer[{layers - 1}].mlp.out", None, 1.0))
    assert len(routes(c, [site("embed")], None)) == 1000
    assert paths(c, [site("embed")], None) == c


# ---- groups and comparison


def test_groups_name_nodes_of_the_circuit() -> None:
    c = circuit(edge("embed", "layer[0].head[1].q"), edge("layer[0].head[1].out", None))
    made = grouped(c, {"early": [site("layer[0].head[1].out", LAST)]})
    assert made.groups == {"early": (site("layer[0].head[1].q"), site("layer[0].head[1].out"))}
    for wrong in ({"x": [site("layer[2].mlp.out")]}, {"a": [site("embed")], "b": [site("embed")]}):
        with pytest.raises(DiagnosticError, match="CQ261"):
            grouped(c, wrong)
    assert paths(made, [site("embed")], [site("layer[0].head[1].out")]).groups == {
        "early": (site("layer[0].head[1].q"),)
    }


@settings(deadline=None)
@given(wires, wires)
def test_comparison(one: dict[tuple[str, str | None], float], two: dict[tuple[str, str | None], float]) -> None:
    from scipy.stats import spearmanr

    found = compare(of(one, "A"), of(two, "B"))
    both = one.keys() & two.keys()
    counts = [len(c.edges) for c in (found.shared, found.only_first, found.only_second)]
    assert counts == [len(both), len(one.keys() - two.keys()), len(two.keys() - one.keys())]
    assert found.jaccard == (len(both) / sum(counts) if sum(counts) else None)
    pairs = [(one[w], two[w]) for w in both]
    varies = len(pairs) > 2 and all(len({p[i] for p in pairs}) > 1 for i in (0, 1))
    if varies:
        assert found.spearman is not None
        assert math.isclose(found.spearman, spearmanr(*zip(*pairs, strict=True)).statistic, abs_tol=1e-12)
    else:
        assert found.spearman is None
    assert found.ranked == len(both)
    assert found.to_json()["jaccard"] == found.jaccard


def test_unscored_wires_are_compared_and_not_ranked() -> None:
    a, b = circuit(edge("embed", None)), circuit(edge("embed", None, 1.0))
    assert (compare(a, b).jaccard, compare(a, b).ranked, compare(a, b).spearman) == (1.0, 0, None)
    assert Score(1.0).n == 0
