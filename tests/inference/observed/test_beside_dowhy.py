"""Point estimates beside those of DoWhy, where these are right: regression, two-stage front door, instruments."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from causalcircuit.inference.observed import estimate

pytestmark = pytest.mark.slow
"""Its import alone takes seconds."""


def dowhy(table: dict[str, np.ndarray], dot: str, method: str, name: str, **more: object) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from dowhy import CausalModel

        model = CausalModel(pd.DataFrame(table), "X", "Y", graph=dot)
        found = model.identify_effect(proceed_when_unidentifiable=True)
        return float(model.estimate_effect(found, method_name=f"{method}.{name}", **more).value)


def columns(seed: int, n: int = 800) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, u, z = rng.standard_normal((3, n))
    x = 0.8 * z + 0.5 * a + u + rng.standard_normal(n)
    m = 0.6 * x + rng.standard_normal(n)
    return {"A": a, "Z": z, "X": x, "M": m, "U": u, "Y": 0.5 * m + 0.7 * a + u + rng.standard_normal(n)}


def test_back_door_regression() -> None:
    made = columns(1)
    table = {k: made[k] for k in ("A", "U", "X", "Y")}
    theirs = dowhy(table, "digraph {A -> X; A -> Y; U -> X; U -> Y; X -> Y}", "backdoor", "linear_regression")
    ours = estimate(table, "A -> X, A -> Y, U -> X, U -> Y, X -> Y", "X", "Y", by="id", how="linear", values=(0, 1))
    assert ours.value == pytest.approx(theirs, rel=1e-9)


def test_two_stage_front_door() -> None:
    made = columns(2)
    table = {k: made[k] for k in ("X", "M", "Y")}
    dot = 'digraph {H [observed="no"]; H -> X; H -> Y; X -> M; M -> Y}'
    theirs = dowhy(table, dot, "frontdoor", "two_stage_regression")
    ours = estimate(table, "X -> M, M -> Y, X <-> Y", "X", "Y", by="frontdoor", how="linear", values=(0, 1))
    formula = estimate(table, "X -> M, M -> Y, X <-> Y", "X", "Y", by="id", how="linear", values=(0, 1))
    assert ours.value == pytest.approx(theirs, rel=1e-6)
    assert formula.value == pytest.approx(theirs, rel=1e-6)


def test_instrument() -> None:
    made = columns(3)
    table = {k: made[k] for k in ("Z", "X", "Y")}
    dot = 'digraph {H [observed="no"]; H -> X; H -> Y; Z -> X; X -> Y}'
    theirs = dowhy(table, dot, "iv", "instrumental_variable")
    ours = estimate(table, "Z -> X, X -> Y, X <-> Y", "X", "Y", by="iv", values=(0, 1))
    assert ours.value == pytest.approx(theirs, rel=1e-9)
