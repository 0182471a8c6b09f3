"""Sensitivity: published figures, and an omitted column whose bias the formulas give to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed import e_value, e_value_of_difference, robustness, sensitivity


def test_the_published_example() -> None:
    """Darfur (Cinelli and Hazlett 2020, table 1): estimate 0.097, standard error 0.023, 783 degrees of freedom."""
    t = 0.09732 / 0.02325
    assert robustness(t, 783) == pytest.approx(0.139, abs=5e-4)
    assert robustness(t, 783, 1.0, 0.95) == pytest.approx(0.076, abs=5e-4)
    assert t**2 / (t**2 + 783) == pytest.approx(0.022, abs=5e-4)


def partial(design: np.ndarray, y: np.ndarray, j: int) -> float:
    fit = sm.OLS(y, design).fit()
    return float(fit.tvalues[j] ** 2 / (fit.tvalues[j] ** 2 + fit.df_resid))


def test_the_bias_of_an_omitted_column_is_exact() -> None:
    rng = np.random.default_rng(1)
    n = 500
    a, u = rng.standard_normal(n), rng.standard_normal(n)
    x = a + u + rng.standard_normal(n)
    y = x + a + 0.7 * u + rng.standard_normal(n)
    one = np.ones(n)
    full = sm.OLS(y, np.stack([one, x, a, u], axis=1)).fit()
    found = sensitivity({"X": x, "Y": y, "A": a}, "X", "Y", ["A"], values=(0, 1))
    short = sm.OLS(y, np.stack([one, x, a], axis=1)).fit()
    assert found.value == pytest.approx(short.params[1], abs=1e-9)
    assert found.standard_error == pytest.approx(short.bse[1], abs=1e-9)
    left, spread = found.adjusted(
        partial(np.stack([one, a, u], axis=1), x, 2), partial(np.stack([one, x, a, u], axis=1), y, 3)
    )
    assert left == pytest.approx(full.params[1], abs=1e-9)
    assert spread == pytest.approx(full.bse[1], abs=1e-9)


def test_the_robustness_value_takes_the_effect_away() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(300)
    found = sensitivity({"X": x, "Y": 0.4 * x + rng.standard_normal(300)}, "X", "Y", values=(0, 1))
    assert found.adjusted(found.robustness, found.robustness)[0] == pytest.approx(0, abs=1e-9)
    assert found.robustness_interval < found.robustness
    assert found.adjusted(found.partial_r2, 1.0)[0] == pytest.approx(0, abs=1e-9)
    assert robustness(0.5, 300, 1.0, 0.95) == 0


def test_benchmarks_bound_a_copy_of_a_column() -> None:
    """A confounder that is as strong as A by construction lies within the bound of one times A."""
    rng = np.random.default_rng(3)
    n = 200_000
    a, u = rng.standard_normal(n), rng.standard_normal(n)
    x = 0.5 * a + 0.5 * u + rng.standard_normal(n)
    y = x + 0.6 * a + 0.6 * u + rng.standard_normal(n)
    found = sensitivity({"X": x, "Y": y, "A": a}, "X", "Y", ["A"], values=(0, 1), benchmarks=["A"], times=[1])
    (same,) = found.benchmarks
    one = np.ones(n)
    assert same.r2_treatment == pytest.approx(partial(np.stack([one, a, u], axis=1), x, 2), abs=0.005)
    assert same.r2_outcome >= partial(np.stack([one, x, a, u], axis=1), y, 3) - 0.005
    assert same.value == pytest.approx(1, abs=0.03)
    assert same.interval[0] < same.value < same.interval[1]
    with pytest.raises(DiagnosticError, match="CQ859"):
        sensitivity({"X": x, "Y": y, "A": a}, "X", "Y", ["A"], values=(0, 1), benchmarks=["B"])


def test_e_values() -> None:
    """VanderWeele and Ding (2017): 3.9 (1.8, 8.7) gives 7.26 and 3.0; 0.80 (0.71, 0.91) gives 1.81 and 1.43."""
    assert e_value(3.9, 1.8, 8.7) == pytest.approx((7.26, 3.0), abs=5e-3)
    assert e_value(0.80, 0.71, 0.91) == pytest.approx((1.81, 1.43), abs=5e-3)
    assert e_value(1.2, 0.9, 1.5)[1] == 1
    assert e_value(1.0) == (1.0, None)
    assert e_value_of_difference(0.0, 1.0, -0.5, 0.5) == (1.0, 1.0)
    assert e_value_of_difference(0.5, 2.0)[0] == pytest.approx(e_value(np.exp(0.91 * 0.25))[0])
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(DiagnosticError, match="CQ859"):
            e_value(wrong)
    with pytest.raises(DiagnosticError, match="CQ859"):
        e_value_of_difference(1.0, 0.0)
