"""Experiments elsewhere and other populations: formulas against the truth, verdicts against fixing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from causalcircuit.causal import Diagram, Given, given, identify
from causalcircuit.causal.bits import bits, mask_of
from causalcircuit.causal.estimand import Effect, Estimand
from causalcircuit.causal.evaluating import Table, evaluate, values
from causalcircuit.causal.solving import Question
from causalcircuit.causal.steps import Trace
from causalcircuit.causal.surrogate import Unreached, general
from causalcircuit.causal.terms import Prob
from tests.causal import fixing
from tests.causal.models import Drawn, Model, graphs, random_graph
from tests.causal.test_exhaustion import apart

TOLERANCE = 1e-9


def named(graph: Drawn, differs: dict[str, set[int]]) -> Diagram:
    return Diagram(
        tuple(f"v{i}" for i in range(graph.n)),
        tuple((f"v{a}", f"v{b}") for a, b in graph.directed),
        tuple((f"v{a}", f"v{b}") for a, b in graph.bidirected),
        selections=tuple((p, f"v{v}") for p, where in differs.items() for v in sorted(where)),
    )


class World:
    """A model and its other populations: the same mechanisms but where the diagram says that they differ."""

    def __init__(self, graph: Drawn, differs: dict[str, set[int]], rng: np.random.Generator) -> None:
        home = Model(graph, rng)
        self.models = {"": home}
        for population, where in differs.items():
            other = Model(graph, rng)
            other.latents = home.latents
            other.mechanisms = [
                o if v in where else h for v, (h, o) in enumerate(zip(home.mechanisms, other.mechanisms, strict=True))
            ]
            other.known = {}
            self.models[population] = other
        self.n = graph.n

    def __call__(self, part: Prob) -> np.ndarray:
        law = self.models[part.population].law(frozenset(bits(part.do)))
        kept = part.of | part.given | part.do
        both = law.sum(axis=tuple(v for v in range(self.n) if not kept >> v & 1), keepdims=True)
        return both / both.sum(axis=tuple(bits(part.of)), keepdims=True) if part.given else both


def full(graph: Drawn, do: set[int], population: str = "") -> Given:
    return given([f"v{v}" for v in range(graph.n) if v not in do], [f"v{v}" for v in sorted(do)], population)


def reachable(graph: Drawn, y: set[int], x: set[int], sources: list[Given], differs: dict[str, set[int]]) -> bool:
    """Every district on the way to y can be fixed out of a source whose experiment and population leave it alone."""
    back = [(b, a) for a, b in graph.directed if not {a, b} & x]
    star = fixing.closure(y, back)
    left = set(star)
    while left:
        district = fixing.closure({min(left)}, fixing.both_ways(graph, star))
        left -= district
        if not any(gives(graph, district, one, differs) for one in sources):
            return False
    return True


def gives(graph: Drawn, district: set[int], one: Given, differs: dict[str, set[int]]) -> bool:
    do = {int(v[1:]) for v in one.do}
    if district & (do | (differs[one.population] if one.population else set())):
        return False
    random = set(range(graph.n)) - do
    while random != district:
        for v in sorted(random - district):
            below = fixing.closure({v}, [(a, b) for a, b in graph.directed if {a, b} <= random])
            if below & fixing.closure({v}, fixing.both_ways(graph, random)) == {v}:
                random.discard(v)
                break
        else:
            return False
    return True


def ask(seed: int) -> bool:
    """A random question of a random diagram, with one to three random experiments in one or two populations."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 6)), rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.7))
    differs = {"p": {int(v) for v in np.flatnonzero(rng.random(graph.n) < 0.3)}} if seed % 2 else {}
    if differs and not differs["p"]:
        differs = {}
    order = [int(v) for v in rng.permutation(graph.n)]
    y, x = {order[0]}, {order[1]}
    sources = []
    for _ in range(int(rng.integers(1, 4))):
        do = {int(v) for v in range(graph.n) if v not in y and rng.random() < 0.35}
        sources.append(full(graph, do, "p" if differs and rng.random() < 0.5 else ""))
    return judged(graph, y, x, sources, differs, World(graph, differs, rng))


def judged(
    graph: Drawn, y: set[int], x: set[int], sources: list[Given], differs: dict[str, set[int]], world: World
) -> bool:
    """Whether an effect is identified, which has to be so by fixing too, and by a formula that is right."""
    effect = Effect(tuple(f"v{v}" for v in y), tuple(f"v{v}" for v in x))
    question = Question.of(named(graph, differs), effect, tuple(sources))
    assert [int(name[1:]) for name in question.setting.frame.names] == list(range(graph.n))
    assert question.setting.complete
    trace = Trace()
    expected = reachable(graph, y, x, sources, differs)
    try:
        found = general(question.setting, mask_of(y), mask_of(x), trace)
    except Unreached:
        assert not expected, (graph, y, x, sources, differs)
        return False
    assert expected, (graph, y, x, sources, differs)
    sizes = [2] * graph.n
    allowed = {(mask_of(int(v[1:]) for v in one.do), one.population) for one in sources}
    assert atoms(found) <= allowed
    truth = world.models[""].effect(y, x)
    assert np.abs(values(found, world, sizes) - truth).max() < TOLERANCE, (graph, y, x, sources, found)
    for step in trace:
        gap = values(step.before, world, sizes) - values(step.after, world, sizes)
        assert np.abs(gap).max() < TOLERANCE, (graph, y, x, sources, step)
        assert all(apart(graph, claim) for claim in step.claims), (graph, step)
    return True


def every_choice(part: int, parts: int) -> int:
    """Every diagram of three variables, every pair, every choice of observation and single experiments; how many."""
    asked = 0
    for seed, graph in enumerate(itertools.islice(graphs(3), part, None, parts)):
        world = World(graph, {}, np.random.default_rng(seed))
        for x, y in itertools.permutations(range(3), 2):
            possible = [full(graph, set()), *(full(graph, {v}) for v in range(3) if v != y)]
            for count in range(1, 4):
                for sources in itertools.combinations(possible, count):
                    judged(graph, {y}, {x}, list(sources), {}, world)
                    asked += 1
    return asked


def test_every_choice_of_experiments_on_some_diagrams_of_three() -> None:
    assert every_choice(3, 8) == 8 * 6 * 7


@pytest.mark.slow
def test_every_choice_of_experiments_on_every_diagram_of_three() -> None:
    assert every_choice(0, 1) == 64 * 6 * 7


def atoms(term: object) -> set[tuple[int, str]]:
    if isinstance(term, Prob):
        return {(term.do, term.population)}
    parts = [getattr(term, name) for name in ("above", "below", "body") if hasattr(term, name)]
    return set().union(set(), *(atoms(part) for part in (*parts, *getattr(term, "factors", ()))))


def test_random_experiments_and_populations() -> None:
    verdicts = [ask(seed) for seed in range(400)]
    assert 40 < sum(verdicts) < 360


@pytest.mark.slow
def test_many_random_experiments_and_populations() -> None:
    verdicts = [ask(seed) for seed in range(5_000, 9_000)]
    assert 400 < sum(verdicts) < 3_600


def ask_of_parts(seed: int) -> bool:
    """Distributions of some of the variables: whatever is found is right."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 6)), rng.uniform(0.4, 0.8), rng.uniform(0.0, 0.4))
    differs = {"p": {int(rng.integers(graph.n))}} if seed % 3 == 0 else {}
    order = [int(v) for v in rng.permutation(graph.n)]
    y, x, z = f"v{order[0]}", f"v{order[1]}", f"v{order[2]}"
    sources = []
    for _ in range(int(rng.integers(1, 4))):
        do = {int(v) for v in range(graph.n) if f"v{v}" != y and rng.random() < 0.3}
        measured = [f"v{v}" for v in range(graph.n) if v not in do and (f"v{v}" == y or rng.random() < 0.7)]
        sources.append(given(measured, [f"v{v}" for v in sorted(do)], "p" if differs and rng.random() < 0.5 else ""))
    found = identify(named(graph, differs), y, do=x, given=z if seed % 4 == 0 else (), sources=sources)
    if not found.identified:
        return False
    assert isinstance(found.estimand, Estimand)
    world = World(graph, differs, rng)
    tables = []
    for one in sources:
        do = frozenset(int(v[1:]) for v in one.do)
        law = world.models[one.population].law(do)
        axes = [int(v[1:]) for v in (*one.of, *one.do)]
        cells = np.transpose(
            law.sum(axis=tuple(v for v in range(graph.n) if v not in axes)), np.argsort(np.argsort(axes))
        )
        tables.append(Table(one.of, cells, one.do, population=one.population))
    answer = evaluate(found.estimand, tables)
    given_to = {int(z[1:])} if seed % 4 == 0 else set()
    truth = world.models[""].effect({int(y[1:])}, {int(x[1:])}, given_to)
    asked = [int(v[1:]) for v in answer.axes]
    truth = truth.squeeze(tuple(v for v in range(graph.n) if v not in asked))
    truth = np.transpose(truth, np.argsort(np.argsort(asked)))  # where no table holds x, its axis has one value
    assert np.abs(answer.cells - truth).max() < TOLERANCE, (seed, graph, found)
    return True


def test_distributions_of_some_variables() -> None:
    verdicts = [ask_of_parts(seed) for seed in range(250)]
    assert 40 < sum(verdicts) < 230


def test_the_experiment_that_was_asked_for_is_the_answer() -> None:
    found = identify("X -> Y, X <-> Y", "Y", do="X", sources=[given("Y", do="X")])
    assert str(found.estimand) == "P(Y | do(X))"


def test_an_experiment_upstream_identifies_what_observation_does_not() -> None:
    """z-identification (Bareinboim and Pearl 2012): setting Z cuts what ties it to X and to Y."""
    text = "Z -> X, X -> Y, Z <-> X, Z <-> Y"
    assert not identify(text, "Y", do="X").identified
    found = identify(text, "Y", do="X", sources=[given(["Z", "X", "Y"]), given(["X", "Y"], do="Z")])
    assert str(found.estimand) == "P(Y | X, do(Z))  (at any value of Z)"


def test_a_trial_is_carried_over_by_reweighting() -> None:
    diagram = Diagram(("X", "L", "Y"), (("L", "X"), ("L", "Y"), ("X", "Y")), selections=(("trial", "L"),))
    trial = given(["L", "Y"], do="X", population="trial")
    found = identify(diagram, "Y", do="X", sources=[given("L"), trial])
    assert str(found.estimand) == "Σ_L P(L) P[trial](Y | L, do(X))"
    refused = identify(diagram, "Y", do="X", sources=[trial])
    assert not refused.identified
    assert refused.proven
    assert [str(a) for a in refused.advice] == ["observe P(L) in the population asked about"]


def test_a_failure_with_partial_tables_is_not_called_a_proof() -> None:
    found = identify("L -> X, L -> Y, X -> Y", "Y", do="X", sources=[given(["X", "Y"]), given(["L", "X"])])
    assert not found.identified
    assert not found.proven
    assert "was not identified" in str(found)
