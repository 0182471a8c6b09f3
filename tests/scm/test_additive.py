"""Additive-noise models: curved mechanisms recovered, rows walked by their own noises."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.scm import Inner, World, fit

RNG = np.random.default_rng(0)
N = 600
X = RNG.normal(size=N)
M = X**2 + 0.5 * RNG.normal(size=N)
Y = 0.5 * M + 0.3 * X + 0.2 * M * X + RNG.normal(size=N)
TABLE = {"X": X, "M": M, "Y": Y}
G = "X -> M, M -> Y, X -> Y"


def test_a_curved_mechanism() -> None:
    """E[Y | do(X = x)] = 0.5 x² + 0.3 x + 0.2 x³."""
    model = fit(TABLE, G, "additive_noise", resamples=399, seed=1)
    found = model.effect("X", "Y", (0.0, 1.5))
    assert found.interval is not None
    assert found.interval.low < 0.5 * 2.25 + 0.45 + 0.2 * 3.375 < found.interval.high
    assert found.interval.high - found.interval.low < 0.8


def test_rows_keep_their_noises() -> None:
    table = {k: v[:300] for k, v in TABLE.items()}
    model = fit(table, G, "additive_noise", resamples=399, seed=1, degree=2)
    noise_m, noise_y = M - X**2, Y - 0.5 * M - 0.3 * X - 0.2 * M * X
    natural = Inner("M", World.of({"X": 0.0}))
    for world, truth in (
        (World.of({"X": 1.0}), 0.5 * (1 + noise_m) + 0.3 + 0.2 * (1 + noise_m) + noise_y),
        (World.of({"X": 1.0, "M": natural}), 0.5 * noise_m + 0.3 + 0.2 * noise_m + noise_y),
    ):
        rows = model.counterfactual("Y", world)
        assert np.abs(rows.value - truth[:300]).mean() < 0.4
        assert (rows.high > rows.low).all()
        assert rows.value.mean() == pytest.approx(model.mean("Y", world).value)


def test_lines_give_what_linear_models_give() -> None:
    table = {k: v[:300] for k, v in TABLE.items()}
    lines = fit(table, G)
    noise = fit(table, G, "additive_noise", degree=1, resamples=399, seed=1)
    assert noise.effect("X", "Y", (0.0, 1.0)).value == pytest.approx(lines.effect("X", "Y", (0.0, 1.0)).value)


def test_no_interval_without_resamples_and_no_shared_errors() -> None:
    with pytest.raises(DiagnosticError, match="CQ887"):
        fit(TABLE, G, "additive_noise").mean("Y")
    with pytest.raises(DiagnosticError, match="CQ882"):
        fit(TABLE, f"{G}, M <-> Y", "additive_noise", resamples=399, seed=1).effect("X", "Y", (0.0, 1.0))
