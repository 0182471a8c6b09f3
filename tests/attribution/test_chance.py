"""Random circuits: of the size that is asked for, made of routes, the same for a seed, as likely as walks make them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.attribution.chance import Web, inflated, random_circuit, random_circuits
from causalcircuit.diagnostics import DiagnosticError


@st.composite
def webs(draw: st.DrawFn) -> Web:
    """Nodes in order; each is read by later ones, or by the readout."""
    nodes = draw(st.integers(2, 6))
    pairs = [(a, b) for a in range(nodes) for b in range(a + 1, nodes + 1)]
    chosen = [p for p in pairs if draw(st.booleans()) or p == (0, nodes)]
    onward = [None if b == nodes else (b,) for _, b in chosen]
    considered = np.array([draw(st.booleans()) or p == (0, nodes) for p in chosen])
    return Web(np.array([a for a, _ in chosen]), onward, considered)


def on_routes(web: Web, mask: np.ndarray) -> set[int]:
    """The wires of a circuit that lie on a route of its own from an input to the readout."""
    wires = np.flatnonzero(mask).tolist()
    reached = set(web.starts)
    for _ in wires:
        reached |= {n for i in wires if int(web.source[i]) in reached for n in web.onward[i] or ()}
    able: set[int] = set()
    for _ in wires:
        for i in wires:
            nodes = web.onward[i]
            if nodes is None or any(int(web.source[j]) in nodes and j in able for j in wires):
                able.add(i)
    return {i for i in wires if int(web.source[i]) in reached and i in able}


@settings(max_examples=150, deadline=None)
@given(webs(), st.integers(0, 99), st.data())
def test_a_random_circuit_is_made_of_routes(web: Web, seed: int, data: st.DataObject) -> None:
    every = web.wires
    assert every <= set(np.flatnonzero(web.considered).tolist())
    size = data.draw(st.integers(1, len(every)))
    try:
        mask = random_circuit(web, size, np.random.default_rng(seed))
    except DiagnosticError:
        # Small webs have sizes that no union of routes has: two disjoint routes of two wires have no circuit of three.
        assert not any(len(u) == size for u in unions(web))
        return
    assert mask.sum() == size
    assert on_routes(web, mask) == set(np.flatnonzero(mask).tolist())


def unions(web: Web) -> set[frozenset[int]]:
    """Every circuit that routes make."""
    routes: list[frozenset[int]] = []
    waiting: list[tuple[int, ...]] = [(i,) for s in web.starts for i in web.leaving[s]]
    while waiting:
        path = waiting.pop()
        nodes = web.onward[path[-1]]
        if nodes is None:
            routes.append(frozenset(path))
        waiting += [(*path, j) for n in nodes or () for j in web.leaving.get(n, ())]
    found: set[frozenset[int]] = {frozenset()}
    for route in routes:
        found |= {u | route for u in found}
    return found


@settings(max_examples=100, deadline=None)
@given(webs(), st.integers(0, 99))
def test_an_inflated_circuit_has_a_route_more(web: Web, seed: int) -> None:
    rng = np.random.default_rng(seed)
    route = web.route(rng)
    circuit = np.zeros(len(web.source), dtype=bool)
    circuit[route] = True
    if set(route) == web.wires:
        with pytest.raises(DiagnosticError, match="nothing at random"):
            inflated(web, circuit, rng)
        return
    grown, wire = inflated(web, circuit, rng)
    assert grown[wire]
    assert not circuit[wire]
    assert (grown | circuit == grown).all()
    assert on_routes(web, grown) == set(np.flatnonzero(grown).tolist())


def web_of_three() -> Web:
    """An input that leads to the readout by itself, by node 1, and by nodes 1 and 2 one after the other."""
    return Web(np.array([0, 0, 1, 1, 2]), [None, (1,), None, (2,), None], np.ones(5, dtype=bool))


def test_walks_are_as_likely_as_their_steps() -> None:
    rng = np.random.default_rng(0)
    seen = [tuple(web_of_three().route(rng)) for _ in range(4000)]
    shares = {r: seen.count(r) / 4000 for r in set(seen)}
    assert shares == pytest.approx({(0,): 1 / 2, (1, 2): 1 / 4, (1, 3, 4): 1 / 4}, abs=0.03)


def test_a_seed_draws_the_same() -> None:
    one, other = (list(random_circuits(web_of_three(), 3, 5, 20)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert len({m.tobytes() for m in one}) > 1


def test_more_wires_than_there_are() -> None:
    with pytest.raises(DiagnosticError, match="no random circuit has 6 wires") as problem:
        random_circuit(web_of_three(), 6, np.random.default_rng(0))
    assert problem.value.diagnostics[0].code == "CQ811"
