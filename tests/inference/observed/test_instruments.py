"""Instruments: slopes against two stages by hand, sets against tests at each slope; bounds against Balke and Pearl."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import f as fisher

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed import bounds, estimate

IV = "Z -> X, X -> Y, X <-> Y"
TWO = "Z -> X, V -> X, W -> X, W -> Y, X -> Y, X <-> Y"


def rows(strength: float, n: int = 300, seed: int = 0, direct: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    z, v, w, u = (rng.standard_normal(n) for _ in range(4))
    x = strength * (z + v) + 0.5 * w + u + rng.standard_normal(n)
    return {"Z": z, "V": v, "W": w, "X": x, "Y": 2 * x + w + u + direct * z - direct * v + rng.standard_normal(n)}


def accepted(t: dict[str, Any], names: list[str], beta: float) -> bool:
    """Whether the instruments do not explain Y - beta X, by the jackknife's variance, refitted without each row."""
    n = len(t["X"])
    design = np.stack([np.ones(n), *(t[k] for k in names), t["W"]], axis=1)
    rest = t["Y"] - beta * t["X"]
    k = len(names)
    fit = np.linalg.lstsq(design, rest, rcond=None)[0][1 : 1 + k]
    left = np.array(
        [np.linalg.lstsq(np.delete(design, i, 0), np.delete(rest, i), rcond=None)[0][1 : 1 + k] for i in range(n)]
    )
    left = left - left.mean(axis=0)
    cov = (n - 1) / n * left.T @ left
    return bool(fit @ np.linalg.solve(cov, fit) <= k * fisher.ppf(0.95, k, n - k - 2))


@pytest.mark.parametrize("names", [["Z"], ["Z", "V"]])
def test_the_slope_is_that_of_two_stages(names: list[str]) -> None:
    t = rows(1.0)
    found = estimate(t, TWO, "X", "Y", by="iv", using=("Z", "W"), instruments=tuple(names), values=(0, 1))
    one = np.ones(300)
    design = np.stack([one, t["W"], *(t[k] for k in names)], axis=1)
    first = design @ np.linalg.lstsq(design, t["X"], rcond=None)[0]
    second = np.linalg.lstsq(np.stack([one, t["W"], first], axis=1), t["Y"], rcond=None)[0][2]
    assert found.value == pytest.approx(second, abs=1e-9)
    wald = estimate(t, TWO, "X", "Y", by="iv", how="wald", using=("Z", "W"), instruments=tuple(names), values=(0, 1))
    assert wald.value == pytest.approx(second, abs=1e-9)
    assert wald.interval.low == pytest.approx(found.interval.low, abs=0.1)
    assert wald.interval.high == pytest.approx(found.interval.high, abs=0.1)
    assert dict(found.diagnostics)["first-stage F"] > 50
    twice = estimate(t, TWO, "X", "Y", by="iv", using=("Z", "W"), instruments=tuple(names), values=(0, 2))
    assert twice.interval.high == pytest.approx(2 * found.interval.high, rel=1e-6)


@pytest.mark.parametrize("names", [["Z"], ["Z", "V"]])
@pytest.mark.parametrize("strength", [0.05, 0.12, 0.4])
def test_the_set_is_where_the_test_does_not_reject(names: list[str], strength: float) -> None:
    t = rows(strength, 80, seed=int(100 * strength))
    found = estimate(t, TWO, "X", "Y", by="iv", using=("Z", "W"), instruments=tuple(names), values=(0, 1))
    for beta in (-1e4, -20.0, -3.0, 0.0, 1.0, 1.6, 2.0, 2.5, 4.0, 20.0, 1e4):
        assert any(p.low <= beta <= p.high for p in found.region) == accepted(t, names, beta), beta
    for piece in found.region:
        for end, side in ((piece.low, -1), (piece.high, 1)):
            if math.isfinite(end):
                near = 1e-4 * max(1.0, abs(end))
                assert accepted(t, names, end - side * near)
                assert not accepted(t, names, end + side * near)


def test_shapes_of_sets() -> None:
    """A weak instrument leaves the whole line or two rays; two that disagree leave nothing."""
    weak = estimate(rows(0.0, 100, 3), IV, "X", "Y", by="iv", values=(0, 1))
    assert weak.interval is None
    assert not math.isfinite(weak.region[0].low)
    assert weak.reason.endswith("weak instruments")
    assert {w.code for w in weak.warnings} == {"CQ857"}
    rays = next(
        r
        for s in range(60)
        if len((r := estimate(rows(0.05, 100, s), IV, "X", "Y", by="iv", values=(0, 1))).region) == 2
    )
    assert rays.region[0].high < rays.region[1].low
    assert rays.interval is None
    assert rays.p_inside is not None
    empty = estimate(
        rows(1.0, 400, 2, direct=2.0), TWO, "X", "Y", by="iv", using=("Z", "W"), instruments=("Z", "V"), values=(0, 1)
    )
    assert empty.region == ()
    assert empty.interval is None
    assert "contradict" in empty.reason
    assert any("empty" in w.message for w in empty.warnings)


def test_only_instruments_are_taken() -> None:
    with pytest.raises(DiagnosticError, match=r"CQ855.*`W`"):
        estimate(rows(1.0), TWO, "X", "Y", by="iv", using=("Z", "W"), instruments=("Z", "W"), values=(0, 1))
    with pytest.raises(DiagnosticError, match="CQ859"):
        estimate(rows(1.0), IV, "X", "Y", by="iv", values=(0, 1), resamples=999, seed=1)


# ---------------------------------------------------------------- bounds
def table_of(p: Any) -> dict[str, Any]:
    """Weights of all cells [z, x, y]; the instrument is a fair coin."""
    z, x, y = (a.ravel() for a in np.meshgrid(*(range(k) for k in p.shape), indexing="ij"))
    return {"Z": z, "X": x, "Y": y, "p": p.ravel() / len(p)}


def of_types(q: Any) -> Any:
    """[z, x, y] from the probabilities of the sixteen response types of a binary model."""
    p = np.zeros((2, 2, 2))
    for i, (x0, x1, y0, y1) in enumerate(product((0, 1), repeat=4)):
        for z, x in enumerate((x0, x1)):
            p[z, x, (y0, y1)[x]] += q[i]
    return p


def sixteen(p: Any) -> tuple[float, float]:
    """The bounds of Balke and Pearl, by their own programme over response types."""
    types = list(product((0, 1), repeat=4))
    rows_, right = [], []
    for z, x, y in product((0, 1), repeat=3):
        rows_.append([float((t[z], t[2 + t[z]]) == (x, y)) for t in types])
        right.append(p[z, x, y])
    effect = np.array([t[3] - t[2] for t in types], dtype=float)
    ends = [s * linprog(s * effect, A_eq=rows_, b_eq=right, bounds=(0, 1)).fun for s in (1, -1)]
    return ends[0], ends[1]


def test_the_published_example() -> None:
    """Cholestyramine (Balke and Pearl 1997): between 0.392 and 0.780."""
    p = np.zeros((2, 2, 2))
    p[0, :, 0], p[0, :, 1] = (0.919, 0.0), (0.081, 0.0)
    p[1, :, 0], p[1, :, 1] = (0.315, 0.139), (0.073, 0.473)
    found = bounds(table_of(p), IV, "X", "Y", "Z", weight="p")
    assert found.bounds.low == pytest.approx(0.392, abs=1e-6)
    assert found.bounds.high == pytest.approx(0.780, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_bounds_are_those_of_balke_and_pearl_and_hold_the_effect(seed: int) -> None:
    q = np.random.default_rng(seed).dirichlet(np.full(16, 0.5))
    p = of_types(q)
    found = bounds(table_of(p), IV, "X", "Y", "Z", weight="p")
    low, high = sixteen(p)
    assert found.bounds.low == pytest.approx(low, abs=1e-6)
    assert found.bounds.high == pytest.approx(high, abs=1e-6)
    effect = sum(w * (t[3] - t[2]) for w, t in zip(q, product((0, 1), repeat=4), strict=True))
    assert found.bounds.low - 1e-6 <= effect <= found.bounds.high + 1e-6


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_bounds_of_several_values_hold_the_effect(seed: int) -> None:
    """Three values of instrument and outcome, a confounder of eight values."""
    rng = np.random.default_rng(seed)
    u = rng.dirichlet(np.ones(8))
    x = rng.dirichlet(np.ones(2), (3, 8))
    y = rng.dirichlet(np.ones(3), (2, 8))
    p = np.einsum("u,zux,xuy->zxy", u, x, y)
    effect = float(u @ (y[1] - y[0]) @ np.arange(3))
    found = bounds(table_of(p), IV + ", Z <-> X", "X", "Y", "Z", weight="p")
    assert found.bounds.low - 1e-6 <= effect <= found.bounds.high + 1e-6
    assert found.bounds.high - found.bounds.low < 4


def drawn(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    z, u = rng.integers(0, 2, n), rng.integers(0, 2, n)
    x = (rng.random(n) < 0.1 + 0.6 * z + 0.2 * u).astype(int)
    return {"Z": z, "X": x, "Y": (rng.random(n) < 0.2 + 0.4 * x + 0.3 * u).astype(int)}


def test_the_interval_of_bounds_holds_the_bounds_and_shrinks() -> None:
    small, large = (bounds(drawn(n, 1), IV, "X", "Y", "Z") for n in (300, 30_000))
    for found in (small, large):
        assert found.interval.low < found.bounds.low < 0.4 < found.bounds.high < found.interval.high
    assert small.interval.high - small.interval.low > large.interval.high - large.interval.low
    clustered = bounds(drawn(3000, 1), IV, "X", "Y", "Z", cluster=np.arange(3000) // 10)
    assert clustered.clusters == 300
    assert clustered.interval.low < clustered.bounds.low
    many = [bounds(drawn(200, s), IV, "X", "Y", "Z").interval for s in range(40)]
    missed = sum(not one.low <= 0.4 <= one.high for one in many)
    assert missed <= 2


def test_frequencies_that_contradict_the_instrument() -> None:
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 4000)
    t = {"Z": z, "X": (rng.random(4000) < 0.02).astype(int), "Y": z}
    found = bounds(t, IV, "X", "Y", "Z")
    assert found.bounds is None
    assert found.interval is None
    assert "refuted" in found.warnings[0].message
    with pytest.raises(DiagnosticError, match="CQ855"):
        bounds(t, "Z -> X, Z -> Y, X -> Y, X <-> Y", "X", "Y", "Z")
