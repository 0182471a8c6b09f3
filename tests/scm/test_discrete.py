"""Discrete models: on exact tables every answer equals that of the model with its errors enumerated, or is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Term
from causalcircuit.scm import Inner, Moment, World, fit
from causalcircuit.scm.worlds import Condition
from tests.scm.truth import DiscreteTruth, random_diagram

SEEDS = st.integers(0, 2**32 - 1)


def asked(truth: DiscreteTruth, moment: Moment) -> float:
    """The moment by enumeration of all errors."""
    errors, mass = truth.settings()
    kept = np.ones(len(mass), np.bool_)
    for one in moment.given:
        kept &= truth.value(one.name, one.world, errors) == one.value
    value = truth.value(moment.outcome, moment.world, errors)
    return float((value * mass)[kept].sum() / mass[kept].sum())


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_answers_are_exact_or_refused(seed: int) -> None:
    """Interventions, conditions, nested worlds, arrows. The errors' functions are random, so a wrong coupling shows."""
    rng = np.random.default_rng(seed)
    truth = DiscreteTruth.random(rng, random_diagram(rng, 4, 0.7, 0.0))
    model = fit(truth.table(), truth.diagram, "discrete", weight="p", prior=0)
    inner = Inner("V1", World.of({"V0": 1.0}))
    worlds = [
        World(),
        World.of({"V1": 1.0}),
        World.of({"V0": 0.0, "V2": 1.0}),
        World.of({"V0": 0.0, "V1": inner}),
        World.of({"V0": 0.0, "V2": inner}),
        *(World((("V0", 0.0),), ((edge, 1.0),)) for edge in truth.diagram.directed[:2]),
    ]
    conditions = [(), (Condition("V0", "=", 1.0),), (Condition("V1", "=", 0.0),), (Condition("V2", "=", 1.0),)]
    answered = 0
    for world in worlds:
        for given_it in conditions:
            moment = Moment("V3", world, given_it)
            try:
                found = model.answer(Term(0), (moment,))
            except DiagnosticError as problem:
                if [d.code for d in problem.diagnostics] != ["CQ884"]:
                    raise
                continue
            answered += 1
            assert found.value == pytest.approx(asked(truth, moment), abs=1e-9)
    assert answered >= 8


def test_effect_on_the_treated_mediation_and_paths() -> None:
    rng = np.random.default_rng(5)
    truth = DiscreteTruth.random(rng, Diagram.read("Z -> X, Z -> M, Z -> Y, X -> M, M -> Y, X -> Y"))
    model = fit(truth.table(), truth.diagram, "discrete", weight="p", prior=0)
    one, zero = World.of({"X": 1.0}), World.of({"X": 0.0})
    treated = (Condition("X", "=", 1.0),)
    ett = asked(truth, Moment("Y", one, treated)) - asked(truth, Moment("Y", zero, treated))
    assert model.effect("X", "Y", given={"X": 1}).value == pytest.approx(ett, abs=1e-9)
    direct = asked(truth, Moment("Y", World.of({"X": 1.0, "M": Inner("M", zero)}))) - asked(truth, Moment("Y", zero))
    assert model.effect("X", "Y", through=[("X", "Y")]).value == pytest.approx(direct, abs=1e-9)
    indirect = asked(truth, Moment("Y", World.of({"X": 0.0, "M": Inner("M", one)}))) - asked(truth, Moment("Y", zero))
    assert model.effect("X", "Y", through=[("X", "M", "Y")]).value == pytest.approx(indirect, abs=1e-9)


def test_a_recanting_witness_is_refused_here_and_answered_by_lines() -> None:
    """X -> W -> M -> Y without X -> W -> Y needs W in two worlds."""
    rng = np.random.default_rng(6)
    text = "X -> W, W -> M, M -> Y, W -> Y"
    truth = DiscreteTruth.random(rng, Diagram.read(text))
    path = [("X", "W", "M", "Y")]
    with pytest.raises(DiagnosticError, match="CQ884"):
        fit(truth.table(), text, "discrete", weight="p").effect("X", "Y", through=path)
    assert fit(truth.table(), text, weight="p").effect("X", "Y", through=path).value is not None


def test_hidden_causes_are_projected_out_where_the_question_allows_it() -> None:
    rng = np.random.default_rng(7)
    full = DiscreteTruth.random(rng, Diagram.read("B -> H, H -> Y, B -> Y, U -> H, U -> Y"))
    table = {k: v for k, v in full.table().items() if k != "U"}
    drawn = "B -> H, H -> Y, B -> Y, H <-> Y"
    model = fit(table, drawn, "discrete", weight="p", prior=0)
    truth = asked(full, Moment("Y", World.of({"B": 1.0}))) - asked(full, Moment("Y", World.of({"B": 0.0})))
    assert model.effect("B", "Y").value == pytest.approx(truth, abs=1e-9)
    with pytest.raises(DiagnosticError, match="CQ882"):
        model.effect("H", "Y")
    latent = fit(table, "dag { U [latent] B -> H H -> Y B -> Y U -> H U -> Y }", "discrete", weight="p", prior=0)
    assert latent.effect("B", "Y").value == pytest.approx(truth, abs=1e-9)


def test_the_prior_is_that_of_bdeu() -> None:
    x = np.array([0, 0, 1, 1, 1])
    y = np.array([0, 1, 1, 1, 0])
    found = fit({"X": x, "Y": y}, "X -> Y", "discrete", prior=2).effect("X", "Y")
    assert found.value == pytest.approx((2 + 0.5) / (3 + 1) - (1 + 0.5) / (2 + 1))


def test_labels_levels_and_cut_columns() -> None:
    rng = np.random.default_rng(8)
    n = 3000
    z = rng.integers(0, 3, n)
    x = (z + rng.integers(0, 3, n)) % 3
    y = np.array([0.0, 2.0, 5.0])[x] + z + rng.normal(size=n)
    table = {"Z": np.array(["a", "b", "c"])[z], "X": np.array(["low", "mid", "top"])[x], "Y": y}
    model = fit(table, "Z -> X, Z -> Y, X -> Y", "discrete", bins=5)
    found = model.effect("X", "Y", values=("low", "top"))
    assert found.interval is not None
    assert found.interval.low < 5 < found.interval.high
    assert found.interval.high - found.interval.low < 0.3
    share = model.probability("X", ("=", 2.0))
    assert share.value == pytest.approx(float((x == 2).mean()), abs=0.01)
    with pytest.raises(DiagnosticError, match="CQ859"):
        model.mean("Z")


def test_answers_that_rest_on_no_row_are_refused_by_name() -> None:
    rng = np.random.default_rng(9)
    z = rng.integers(0, 2, 400)
    x = np.where(z == 0, 0, rng.integers(0, 2, 400))
    y = rng.integers(0, 2, 400)
    model = fit({"Z": z, "X": x, "Y": y}, "Z -> X, Z -> Y, X -> Y", "discrete")
    with pytest.raises(DiagnosticError, match=r"CQ854.*Z = 0, X = 1"):
        model.effect("X", "Y")
    assert model.effect("X", "Y", given={"Z": 1}).value is not None  # there, both values occur
    with pytest.raises(DiagnosticError, match=r"CQ854.*X = 7"):
        model.mean("Y", {"X": 7})
