"""Adjustment sets, front-door sets, instruments and separators against every subset."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from causalcircuit.causal.adjustment import Backdoor
from causalcircuit.causal.bits import bits, mask_of, subsets
from causalcircuit.causal.frontdoor import Frontdoor
from causalcircuit.causal.instrumental import Instrument, given_for
from causalcircuit.causal.separation import connected, separated
from causalcircuit.causal.separators import Cut
from causalcircuit.causal.steps import Trace
from tests.causal.helping import mixed, on
from tests.causal.models import Drawn, Model, graphs, random_graph

TOLERANCE = 1e-9


def written_out(graph: Drawn) -> nx.DiGraph:
    made = nx.DiGraph(graph.directed)
    made.add_nodes_from(range(graph.n))
    for a, b in graph.bidirected:
        made.add_edges_from([(("u", a, b), a), (("u", a, b), b)])
    return made


def some(count: int, low: int, high: int, seed: int) -> list[Drawn]:
    rng = np.random.default_rng(seed)
    return [
        random_graph(rng, int(rng.integers(low, high + 1)), rng.uniform(0.2, 0.6), rng.uniform(0, 0.4))
        for _ in range(count)
    ]


def minimal(found: list[int]) -> set[int]:
    return {z for z in found if not any(w != z and w & ~z == 0 for w in found)}


def test_separation_is_that_of_networkx() -> None:
    rng = np.random.default_rng(5)
    for graph in some(300, 3, 8, 1):
        written, walked = written_out(graph), mixed(graph)
        for _ in range(8):
            sides = rng.integers(0, 4, size=graph.n)
            a, b, z = ({int(v) for v in np.flatnonzero(sides == k)} for k in range(3))
            if a and b:
                apart = nx.is_d_separator(written, a, b, z)
                assert separated(walked, mask_of(a), mask_of(b), mask_of(z)) is apart
                assert (not connected(walked, mask_of(a), mask_of(z)) & mask_of(b)) is apart


def test_separators_are_all_the_minimal_ones() -> None:
    for graph in some(150, 3, 7, 2):
        walked = mixed(graph)
        a, b = 1, 1 << (graph.n - 1)
        allowed = walked.all & ~(a | b) & ~(2 if graph.n > 5 else 0)
        cut = Cut(walked, a, b, allowed)
        good = [z for z in subsets(allowed) if separated(walked, a, b, z)]
        assert cut.possible is bool(good)
        found = list(cut.minimal())
        assert len(found) == len(set(found))
        assert set(found) == minimal(good)
        if good:
            assert {cut.near_a(), cut.near_b()} <= set(found)


@pytest.mark.parametrize("n", [3, 4])
def test_the_adjustment_criterion_is_the_truth(n: int) -> None:
    """A set is valid exactly if its formula gives the effect in a random model, where no accident makes it right."""
    seen = [0, 0]
    for seed, graph in enumerate(itertools.islice(graphs(n), 0, None, 1 if n == 3 else 41)):
        model = Model(graph, np.random.default_rng(seed))
        for x, y in itertools.permutations(range(n), 2):
            problem = Backdoor.of(mixed(graph), 1 << y, 1 << x)
            truth = model.effect({y}, {x})
            rest = problem.graph.all & ~(1 << x | 1 << y)
            good = []
            for z in subsets(rest):
                term = problem.term(z)
                gap = np.abs(on(model, term) - truth).max()
                valid = problem.valid(z)
                seen[valid] += 1
                if valid:
                    good.append(z)
                    assert gap < TOLERANCE, (graph, x, y, z)
                elif not z & problem.forbidden & ~(1 << x | 1 << y):
                    assert gap > 1e-7, (graph, x, y, z)
            assert set(problem.cut().minimal()) == minimal(good)
            best = problem.best()
            assert (best is None) is (not good)
            if best is not None:
                assert best[0] in good
                trace = Trace()
                problem.derive(best[0], trace)
                for step in trace:
                    gap = on(model, step.before, experiments=True) - on(model, step.after, experiments=True)
                    assert np.abs(gap).max() < TOLERANCE
    assert min(seen) > 100


def test_the_optimal_set_has_the_smallest_variance_of_all() -> None:
    """In linear models, by the closed form: var(y | x, z) / var(x | z)."""
    rng = np.random.default_rng(3)
    compared = 0
    for graph in some(80, 4, 6, 4):
        bare = Drawn(graph.n, graph.directed, ())
        x, y = 1, graph.n - 1
        problem = Backdoor.of(mixed(bare), 1 << y, 1 << x)
        if not problem.causal:
            continue
        best = problem.best()
        assert best is not None
        assert best[1] == "all valid sets"
        for _ in range(3):
            covariance, _ = linear(bare, rng)
            score = variance(covariance, x, y, best[0])
            for z in subsets(problem.allowed):
                if problem.valid(z):
                    compared += 1
                    assert score <= variance(covariance, x, y, z) * (1 + 1e-9)
    assert compared > 100


def test_the_set_nearest_to_the_outcome_is_the_best_of_the_minimal_ones() -> None:
    """With bidirected edges, and with vertices that may not be used."""
    rng = np.random.default_rng(12)
    compared = 0
    for graph in some(700, 7, 9, 13):
        x, y = graph.n - 3, graph.n - 1
        allowed = mixed(graph).all & ~(4 if graph.n == 8 else 0)
        problem = Backdoor.of(mixed(graph), 1 << y, 1 << x, allowed)
        if not problem.causal or not problem.cut().possible:
            continue
        nearest = problem.cut().near_b()
        for _ in range(3):
            covariance, _ = linear(graph, rng)
            score = variance(covariance, x, y, nearest)
            for z in problem.cut().minimal():
                compared += z != nearest
                assert score <= variance(covariance, x, y, z) * (1 + 1e-9), (graph, nearest, z)
    assert compared > 60


def linear(graph: Drawn, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The covariance of a random linear model, and its matrix of total effects (column causes row)."""
    n = graph.n
    slopes = np.zeros((n, n))
    for a, b in graph.directed:
        slopes[b, a] = rng.uniform(0.4, 1.5) * rng.choice([-1, 1])
    noise = np.diag(rng.uniform(0.5, 1.5, n))
    for a, b in graph.bidirected:
        load = rng.uniform(0.4, 1.2, 2) * rng.choice([-1, 1], 2)
        noise[np.ix_([a, b], [a, b])] += np.outer(load, load)
    total = np.linalg.inv(np.eye(n) - slopes)
    return total @ noise @ total.T, total


def variance(covariance: np.ndarray, x: int, y: int, z: int) -> float:
    def residual(v: int, given: list[int]) -> float:
        across = covariance[[v]][:, given]
        return float((covariance[v, v] - across @ np.linalg.pinv(covariance[np.ix_(given, given)]) @ across.T).item())

    w = list(bits(z))
    return residual(y, [x, *w]) / residual(x, w)


@pytest.mark.parametrize("n", [3, 4])
def test_frontdoor_sets_are_all_of_them_and_right(n: int) -> None:
    count = 0
    for seed, graph in enumerate(itertools.islice(graphs(n), 0, None, 1 if n == 3 else 101)):
        model = Model(graph, np.random.default_rng(seed))
        walked = mixed(graph)
        for x, y in itertools.permutations(range(n), 2):
            problem = Frontdoor.of(walked, 1 << y, 1 << x)
            good = [m for m in subsets(walked.all & ~(1 << x | 1 << y)) if by_definition(graph, x, y, set(bits(m)))]
            found = list(problem.sets())
            assert sorted(found) == sorted(good), (graph, x, y)
            assert all(problem.valid(m) for m in good)
            smallest = problem.smallest()
            assert (smallest is None) is (not good)
            assert smallest is None or smallest in good
            truth = model.effect({y}, {x})
            for m in good:
                count += 1
                assert np.abs(on(model, problem.term(m)) - truth).max() < TOLERANCE, (graph, x, y, m)
                trace = Trace()
                problem.derive(m, trace)
                for step in trace:
                    gap = on(model, step.before, experiments=True) - on(model, step.after, experiments=True)
                    assert np.abs(gap).max() < TOLERANCE, (graph, step)
    assert count > 20


def by_definition(graph: Drawn, x: int, y: int, m: set[int]) -> bool:
    """Pearl's three conditions, by networkx."""
    written = written_out(graph)
    direct = nx.DiGraph(graph.directed)
    direct.add_nodes_from(range(graph.n))
    direct.remove_nodes_from(m)
    if nx.has_path(direct, x, y):
        return False
    if not m:
        return True
    from_x, from_m = written.copy(), written.copy()
    from_x.remove_edges_from(list(written.out_edges(x)))
    from_m.remove_edges_from(list(written.out_edges(m)))
    return nx.is_d_separator(from_x, {x}, m, set()) and nx.is_d_separator(from_m, m, {y}, {x})


def test_instruments_are_found_where_some_set_makes_one_and_give_the_effect() -> None:
    rng = np.random.default_rng(8)
    found_some = conditional = 0
    for graph in some(250, 3, 5, 6):
        walked = mixed(graph)
        for x, y in itertools.combinations(range(graph.n), 2):
            problem = Backdoor.of(walked, 1 << y, 1 << x)
            if not problem.causal:
                continue
            possible = found = False
            for z in bits(problem.allowed):
                good = [w for w in subsets(problem.allowed & ~(1 << z)) if is_instrument(graph, problem, z, w)]
                possible |= bool(good)
                w = given_for(problem, 1 << z)
                if w is None:
                    continue
                assert w in good
                found = True
                found_some += 1
                conditional += w > 0
                covariance, total = linear(graph, rng)
                names = tuple(f"v{i}" for i in range(graph.n))
                one = Instrument(names[z], names[x], names[y], tuple(names[i] for i in bits(w)))
                assert one.slope(covariance, names) == pytest.approx(total[y, x], abs=1e-8)
            assert found is possible, (graph, x, y)
    assert found_some > 100
    assert conditional > 30


def is_instrument(graph: Drawn, problem: Backdoor, z: int, w: int) -> bool:
    """The definition, by networkx."""
    written = written_out(graph)
    without = written.copy()
    (x,), (y,) = bits(problem.x), bits(problem.y)
    without.remove_edges_from([(x, v) for v in bits(problem.causal)])
    given = set(bits(w))
    return nx.is_d_separator(without, {z}, {y}, given) and not nx.is_d_separator(written, {z}, {x}, given)
