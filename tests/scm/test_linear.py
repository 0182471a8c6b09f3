"""Linear models: every answer equals that of the model in matrices, or the question is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Term
from causalcircuit.scm import Inner, Moment, World, fit
from causalcircuit.scm.halftrek import solved
from causalcircuit.scm.worlds import Condition
from tests.scm.truth import LinearTruth, random_diagram

SEEDS = st.integers(0, 2**32 - 1)


def close(a: float | None, b: float) -> bool:
    return a is not None and abs(a - b) < 1e-6 * max(1.0, abs(b))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_effects_in_random_diagrams_are_right_or_refused(seed: int) -> None:
    """With errors that are shared: what is answered equals (I − Λ)⁻¹; a refusal names CQ882."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    truth = LinearTruth.random(rng, random_diagram(rng, k, 0.6, 0.3))
    names = truth.diagram.vertices
    model = fit(truth.table(rng), truth.diagram)
    answered = 0
    for i, x in enumerate(names):
        for j, y in enumerate(names):
            if i == j:
                continue
            try:
                found = model.effect(x, y, (0.0, 1.0))
            except DiagnosticError as problem:
                if [d.code for d in problem.diagnostics] != ["CQ882"]:
                    raise
                continue
            answered += 1
            assert close(found.value, float(truth.total[j, i]))
    assert answered >= k * (k - 1) / 2  # what is no descendant has effect 0


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_without_bows_every_coefficient_is_identified(seed: int) -> None:
    """Brito & Pearl (2002): no shared error between a variable and its own cause."""
    rng = np.random.default_rng(seed)
    drawn = random_diagram(rng, 6, 0.5, 0.4)
    free = tuple(e for e in drawn.bidirected if e not in drawn.directed)
    diagram = Diagram(drawn.vertices, drawn.directed, free)
    assert len(solved(diagram.frame.graph)) == 6
    truth = LinearTruth.random(rng, diagram)
    model = fit(truth.table(rng), diagram)
    assert close(model.effect("V0", "V5", (0.0, 1.0)).value, float(truth.total[5, 0]))


KNOWN = [
    ("Z -> X, X -> Y, X <-> Y", {"Z", "X", "Y"}),  # an instrument
    ("X -> Y, X <-> Y", {"X"}),  # the bow
    ("Z -> X, Z -> Y, X -> Y, X <-> Y", {"Z", "X"}),  # the instrument's way round
    ("X -> M, M -> Y, X <-> Y", {"X", "M", "Y"}),
    ("A -> X, B -> X, X -> Y, X <-> Y, A <-> B", {"A", "B", "X", "Y"}),
    ("Z -> X, Z -> W, X -> Y, W -> Y, X <-> Y, W <-> Y", {"Z", "X", "W"}),  # one instrument for two causes
]


@pytest.mark.parametrize(("text", "names"), KNOWN)
def test_known_verdicts(text: str, names: set[str]) -> None:
    frame = Diagram.read(text).frame
    assert {frame.names[v] for v in solved(frame.graph)} == names


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_counterfactuals_paths_and_conditions(seed: int) -> None:
    """Nested worlds, arrows, rows and conditions, in diagrams without shared errors: against the equations."""
    rng = np.random.default_rng(seed)
    truth = LinearTruth.random(rng, random_diagram(rng, 5, 0.8, 0.0))
    names = truth.diagram.vertices
    table = truth.table(rng)
    rows = np.stack([table[v] for v in names], axis=1)
    errors = truth.errors_of(rows)
    inner = Inner("V2", World.of({"V0": 1.5}))
    edge = truth.diagram.directed[0] if truth.diagram.directed else None
    worlds = [World.of({"V1": 2.0}), World.of({"V0": -1.0, "V2": inner}), World.of({"V3": inner})]
    if edge is not None:
        worlds.append(World((("V0", 0.5),), ((edge, 2.0),)))
    model = fit(table, truth.diagram)
    for world in worlds:
        value = truth.value("V4", world, errors)
        assert close(model.mean("V4", world).value, float(value.mean()))
        assert np.allclose(model.counterfactual("V4", world).value, value, atol=1e-6)
        factual = rows[:, 1]
        slope = np.cov(value, factual)[0, 1] / np.var(factual, ddof=1)
        given_it = Moment("V4", world, (Condition("V1", "=", 0.7),))
        expected = value.mean() + slope * (0.7 - factual.mean())
        assert close(model.answer(Term(0), (given_it,)).value, float(expected))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_path_specific_effects_are_products_of_slopes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = LinearTruth.random(rng, random_diagram(rng, 5, 0.9, 0.0))
    at = {v: i for i, v in enumerate(truth.diagram.vertices)}
    paths: list[tuple[str, ...]] = []
    todo: list[tuple[str, ...]] = [("V0",)]
    while todo:
        path = todo.pop()
        if path[-1] == "V4":
            paths.append(path)
        todo += [(*path, b) for a, b in truth.diagram.directed if a == path[-1]]
    model = fit(truth.table(rng), truth.diagram)
    for path in paths:
        product = np.prod([truth.slopes[at[b], at[a]] for a, b in pairwise(path)])
        assert close(model.effect("V0", "V4", (1.0, 3.0), through=[path]).value, 2 * float(product))
    if paths:
        total = model.effect("V0", "V4", (1.0, 3.0), through=paths).value
        assert close(total, 2 * float(truth.total[4, 0]))


def test_probabilities_are_those_of_the_gaussian_law() -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(1)
    truth = LinearTruth.random(rng, Diagram.read("X -> M, M -> Y, X -> Y"))
    table = truth.table(rng)
    model = fit(table, truth.diagram)
    names = truth.diagram.vertices
    x, m, y = (names.index(v) for v in "XMY")
    spread = truth.omega[y, y] + truth.slopes[y, m] ** 2 * truth.omega[m, m]
    centre = truth.total[y, x] * 2.0 + truth.base[y] + truth.slopes[y, m] * truth.base[m]
    expected = norm.sf(0.5, centre, np.sqrt(spread))
    assert close(model.probability("Y", (">", 0.5), {"X": 2.0}).value, float(expected))


def test_what_needs_no_arrow_that_is_lost_is_answered_in_a_smaller_model() -> None:
    """A hidden cause of mediator and outcome: the total effect is identified, the mediator's is not."""
    rng = np.random.default_rng(2)
    truth = LinearTruth.random(rng, Diagram.read("B -> H, H -> Y, B -> Y, H <-> Y"))
    model = fit(truth.table(rng), truth.diagram)
    names = truth.diagram.vertices
    found = model.effect("B", "Y", (0.0, 1.0))
    assert close(found.value, float(truth.total[names.index("Y"), names.index("B")]))
    assert any("projected out" in a and "H" in a for a in found.assumptions)
    for question in (
        lambda: model.effect("H", "Y", (0.0, 1.0)),
        lambda: model.effect("B", "Y", (0.0, 1.0), through=[("B", "Y")]),
    ):
        with pytest.raises(DiagnosticError, match="CQ882"):
            question()


def test_least_squares_has_the_interval_of_adjustment() -> None:
    """One equation: the slope of a regression, with clusters, weights, resamples; its interval is that of tables."""
    from causalcircuit.inference.observed import estimate

    rng = np.random.default_rng(3)
    n = 120
    z = rng.normal(size=n)
    x = z + rng.normal(size=n)
    table = {"Z": z, "X": x, "Y": 2 * x - z + rng.normal(size=n), "w": rng.uniform(0.5, 2, n), "c": np.arange(n) // 3}
    for options in ({}, {"cluster": "c"}, {"weight": "w"}, {"resamples": 399, "seed": 3}):
        model = fit(table, "Z -> X, Z -> Y, X -> Y", "linear_gaussian", **options)  # type: ignore[arg-type]
        found = model.effect("X", "Y", (0.0, 1.0))
        root = np.sqrt(table["w"]) if "weight" in options else np.ones(n)
        design = np.stack([np.ones(n), x, z], axis=1) * root[:, None]
        plain = np.linalg.lstsq(design, table["Y"] * root, rcond=None)[0][1]
        assert close(found.value, float(plain))
        assert found.interval is not None
        assert found.interval.low < 2 < found.interval.high
        assert found.clusters == (40 if "cluster" in options else None)
    rough = estimate(table, "X -> Y", "X", "Y", values=(0, 1))
    same = fit(table, "X -> Y").effect("X", "Y", (0.0, 1.0))
    assert rough.interval is not None
    assert same.interval is not None
    assert same.interval.low == pytest.approx(rough.interval.low, rel=1e-6)
    assert same.interval.high == pytest.approx(rough.interval.high, rel=1e-6)


def test_weak_instruments_leave_no_interval() -> None:
    rng = np.random.default_rng(4)
    n = 300
    u, z = rng.normal(size=n), rng.normal(size=n)
    x = 0.02 * z + u + rng.normal(size=n)
    table = {"Z": z, "X": x, "Y": x + u + rng.normal(size=n)}
    found = fit(table, "Z -> X, X -> Y, X <-> Y").effect("X", "Y", (0.0, 1.0))
    assert found.interval is None
    assert "weak" in found.reason
    assert "CQ886" in [w.code for w in found.warnings]
    strong = {**table, "X": x + 2 * z, "Y": x + 2 * z + u}
    found = fit(strong, "Z -> X, X -> Y, X <-> Y").effect("X", "Y", (0.0, 1.0))
    assert found.interval is not None
    assert found.interval.low < 1 < found.interval.high
