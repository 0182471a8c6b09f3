"""Every ADMG on up to four vertices, every ordered pair: verdicts, formulas, steps and hedges against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from causalcircuit.causal.bits import bits, mask_of
from causalcircuit.causal.diagram import Frame
from causalcircuit.causal.hedge import Hedge
from causalcircuit.causal.id import NotIdentified
from causalcircuit.causal.rendering import tidy
from causalcircuit.causal.steps import Trace
from tests.causal import fixing
from tests.causal.helping import by_id, mixed, on
from tests.causal.models import Drawn, Model, graphs, random_graph

TOLERANCE = 1e-9


def examine(graph: Drawn, seed: int) -> tuple[int, int]:
    """Ask every pair of a graph; how many effects are identified, and how many are not."""
    model = Model(graph, np.random.default_rng(seed))
    walked = mixed(graph)
    counts = [0, 0]
    for x, y in itertools.permutations(range(graph.n), 2):
        found = by_id(walked, {y}, {x})
        second = fixing.identified(graph, {y}, {x}, model.law())
        if isinstance(found, NotIdentified):
            counts[1] += 1
            assert second is False, (graph, x, y)
            hedge(graph, found, {y}, {x})
            continue
        counts[0] += 1
        truth = model.effect({y}, {x})
        assert np.abs(second - truth).max() < TOLERANCE
        assert np.abs(on(model, found) - truth).max() < TOLERANCE, (graph, x, y, found)
        assert np.abs(on(model, tidy(found)) - truth).max() < TOLERANCE
    return counts[0], counts[1]


def hedge(graph: Drawn, failure: NotIdentified, y: set[int], x: set[int], z: frozenset[int] = frozenset()) -> None:
    """The two models of a hedge: Markov to the graph by construction, equal when watched, unequal when acted upon."""
    frame = Frame(tuple(f"v{i}" for i in range(graph.n)), mixed(graph), (1 << graph.n) - 1)
    one, two = Hedge.of(frame, failure.forest, failure.inner, mask_of(y), mask_of(x), mask_of(z)).models()
    for witness in (one, two):
        assert within(graph, witness.bits)
    seen = one.law()
    assert seen.min() > 0
    assert np.abs(seen - two.law()).max() < 1e-12
    gaps = []
    for setting in itertools.product(*(range(one.sizes[v]) for v in sorted(x))):
        do = {f"v{v}": value for v, value in zip(sorted(x), setting, strict=True)}
        gaps.append(np.abs(conditional(one.law(do), y, z) - conditional(two.law(do), y, z)).max())
    assert max(gaps) > (1e-6 if z else 1e-3), (graph, y, x, z)


def conditional(law: np.ndarray, y: set[int], z: frozenset[int]) -> np.ndarray:
    both = law.sum(axis=tuple(v for v in range(law.ndim) if v not in y | z), keepdims=True)
    return both / both.sum(axis=tuple(y), keepdims=True)


def within(graph: Drawn, equations: tuple[tuple[object, ...], ...]) -> bool:
    """Whether bits use only parents of the graph, and coins are shared along bidirected edges only."""
    holders: dict[int, set[int]] = {}
    for v, own in enumerate(equations):
        for bit in own:
            if any((p, v) not in graph.directed for p, _ in bit.parents):
                return False
            for coin in bit.coins:
                holders.setdefault(coin, set()).add(v)
    return all(len(h) == 1 or tuple(sorted(h)) in graph.bidirected for h in holders.values())


@pytest.mark.parametrize("n", [2, 3])
def test_every_graph_of_two_and_three(n: int) -> None:
    counts = np.sum([examine(graph, seed) for seed, graph in enumerate(graphs(n))], axis=0)
    assert counts.sum() == 4 ** (n * (n - 1) // 2) * n * (n - 1)
    assert counts[1] > 0


def test_one_in_twenty_five_of_the_graphs_of_four() -> None:
    """The full count is the slow test; the napkin and its kin are in by hand."""
    counts = np.sum([examine(g, s) for s, g in enumerate(itertools.islice(graphs(4), 3, None, 25))], axis=0)
    assert counts.sum() == 164 * 12
    napkin = Drawn(4, ((0, 1), (1, 2), (2, 3)), ((0, 2), (0, 3)))
    assert examine(napkin, 1) == (12, 0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_graph_of_four(part: int) -> None:
    """49,152 queries in eight parts."""
    counts = np.sum([examine(g, s) for s, g in enumerate(itertools.islice(graphs(4), part, None, 8))], axis=0)
    assert counts.sum() == 512 * 12


def test_a_formula_that_nests_six_deep() -> None:
    """Quotients of sums of quotients, on twelve variables and thirteen latents."""
    arrows = (*((i, i + 1) for i in range(11)), (0, 8), (0, 9))
    arcs = ((0, 6), (0, 9), (1, 5), (1, 8), (1, 11), (2, 7), (2, 9), (4, 6), (4, 10), (5, 11), (6, 8), (6, 10), (8, 11))
    graph = Drawn(12, arrows, arcs)
    model = Model(graph, np.random.default_rng(0))
    kinds = []
    for x in range(11):
        found = by_id(mixed(graph), {11}, {x})
        kinds.append(not isinstance(found, NotIdentified))
        if not isinstance(found, NotIdentified):
            assert np.abs(on(model, found) - model.effect({11}, {x})).max() < TOLERANCE
    assert {True, False} == set(kinds)


def test_sets_of_variables_with_three_values() -> None:
    """Two outcomes, two treatments, three values each, latents of three."""
    rng = np.random.default_rng(4)
    identified = 0
    for seed in range(60):
        graph = random_graph(rng, 5, 0.5, 0.2)
        order = [int(v) for v in rng.permutation(5)]
        y, x = set(order[:2]), set(order[2:4])
        model = Model(graph, np.random.default_rng(seed), size=3, levels=3)
        found = by_id(mixed(graph), y, x)
        assert isinstance(found, NotIdentified) is not fixing.identified(graph, y, x)
        if not isinstance(found, NotIdentified):
            identified += 1
            assert np.abs(on(model, found) - model.effect(y, x)).max() < TOLERANCE
    assert 15 < identified < 60


def test_every_step_of_the_derivations_of_three_and_some_of_four() -> None:
    """Both sides of each step have one value in the true model, and each claim is an independence of the cut graph."""
    chosen = [*graphs(3), *itertools.islice(graphs(4), 1, None, 60)]
    seen = set()
    for seed, graph in enumerate(chosen):
        model = Model(graph, np.random.default_rng(seed))
        for x, y in itertools.permutations(range(graph.n), 2):
            trace = Trace()
            if isinstance(by_id(mixed(graph), {y}, {x}, trace), NotIdentified):
                continue
            for step in trace:
                seen.add(step.rule)
                before, after = (on(model, side, experiments=True) for side in (step.before, step.after))
                assert np.abs(before - after).max() < TOLERANCE, (graph, x, y, step)
                for claim in step.claims:
                    assert apart(graph, claim), (graph, x, y, step)
    assert seen == {"rule 2", "rule 3", "c-components", "marginalisation", "substitution"}


def apart(graph: Drawn, claim: object) -> bool:
    """A claim, tested on the graph with its edges cut, latents written out, by networkx."""
    import networkx as nx

    into, out = set(bits(claim.cut_into)), set(bits(claim.cut_out_of))
    made = nx.DiGraph()
    made.add_nodes_from(range(graph.n))
    made.add_edges_from((a, b) for a, b in graph.directed if b not in into and a not in out)
    for a, b in graph.bidirected:
        if not {a, b} & into:
            made.add_edges_from([(("u", a, b), a), (("u", a, b), b)])
    return nx.is_d_separator(made, set(bits(claim.a)), set(bits(claim.b)), set(bits(claim.given)))


def test_the_law_of_a_witness_is_that_of_its_coins() -> None:
    """Calculated by signs there, by throwing every combination of coins here."""
    graph = Drawn(4, ((0, 1), (1, 2), (2, 3)), ((0, 1), (0, 2), (1, 3)))
    frame = Frame(("a", "b", "c", "d"), mixed(graph), 15)
    failure = by_id(frame.graph, {3}, {1})
    assert isinstance(failure, NotIdentified)
    for witness in Hedge.of(frame, failure.forest, failure.inner, 8, 2).models():
        for do in ({}, {"b": 1}, {"b": 0, "c": 1}):
            thrown = np.zeros(witness.sizes)
            for coins in itertools.product((0, 1), repeat=len(witness.coins)):
                seen: list[list[int]] = []
                for name, own in zip(witness.names, witness.bits, strict=True):
                    made = [
                        (sum(coins[c] for c in bit.coins) + sum(seen[p][k] for p, k in bit.parents)) % 2 for bit in own
                    ]
                    seen.append([do[name] >> k & 1 for k in range(len(own))] if name in do else made)
                place = tuple(sum(b << k for k, b in enumerate(own)) for own in seen)
                thrown[place] += np.prod([p if c else 1 - p for p, c in zip(witness.coins, coins, strict=True)])
            assert np.abs(thrown - witness.law(do)).max() < 1e-12


def test_the_second_way_is_right_on_what_is_known() -> None:
    bow = Drawn(2, ((0, 1),), ((0, 1),))
    frontdoor = Drawn(3, ((0, 1), (1, 2)), ((0, 2),))
    assert fixing.identified(bow, {1}, {0}) is False
    assert fixing.identified(frontdoor, {2}, {0}) is True
