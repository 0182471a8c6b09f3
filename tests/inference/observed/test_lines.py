"""Formulas of identification on linear models: against path coefficients, and in simulations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram, Estimand, identify
from causalcircuit.causal.bits import bits
from causalcircuit.causal.terms import mentioned, renumbered
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed import estimate
from causalcircuit.inference.observed.lines import factor_of, mean_in
from causalcircuit.runs import check_text, run_program

NAPKIN = "W -> R, R -> X, X -> Y, W <-> X, W <-> Y"


def linear_model(diagram: Diagram, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients B [effect, cause], covariance of the noise, and intercepts, of a random linear model."""
    at = {v: i for i, v in enumerate(diagram.vertices)}
    p = len(at)
    b, noise = np.zeros((p, p)), np.diag(rng.uniform(0.5, 1.5, p))
    for cause, effect in diagram.directed:
        b[at[effect], at[cause]] = rng.uniform(0.3, 1.2) * rng.choice([-1, 1])
    for one, two in diagram.bidirected:
        shared = np.zeros(p)
        shared[at[one]], shared[at[two]] = rng.uniform(0.4, 1, 2) * rng.choice([-1, 1], 2)
        noise += np.outer(shared, shared)
    return b, noise, rng.standard_normal(p)


def set_to(b: np.ndarray, noise: np.ndarray, level: np.ndarray, at: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance where some variables are set."""
    b, noise, level = b.copy(), noise.copy(), level.copy()
    for i, value in at.items():
        b[i], noise[i], noise[:, i], level[i] = 0, 0, 0, value
    across = np.linalg.inv(np.eye(len(b)) - b)
    return across @ level, across @ noise @ across.T


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    names = "ABCDF"[: draw(st.integers(3, 5))]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    directed = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=2, max_size=7))
    bidirected = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    return Diagram(tuple(names), tuple(directed), tuple(bidirected))


@settings(max_examples=120, deadline=None)
@given(diagrams(), st.integers(0, 2**32 - 1), st.data())
def test_formulas_on_exact_covariances_are_the_means_of_the_model_that_is_set(
    diagram: Diagram, seed: int, data: st.DataObject
) -> None:
    """One or two treatments, with or without a condition; every identified effect, whichever formula it has."""
    order = data.draw(st.permutations(diagram.vertices))
    cut = data.draw(st.integers(2, min(3, len(order))))
    do, given_ = order[1:cut], order[cut : cut + data.draw(st.integers(0, 1))]
    found = identify(diagram, order[0], do, given_, by="id")
    assume(isinstance(found.estimand, Estimand))
    assert isinstance(found.estimand, Estimand)
    rng = np.random.default_rng(seed)
    b, noise, level = linear_model(diagram, rng)
    mean, covariance = set_to(b, noise, level, {})
    at = {v: i for i, v in enumerate(diagram.vertices)}
    used = list(bits(mentioned(found.estimand.term) | found.estimand.asked))
    names = [found.estimand.names[v] for v in used]
    kept = [at[n] for n in names]
    term = renumbered(found.estimand.term, {v: i for i, v in enumerate(used)})
    factor = factor_of(term, mean[None, kept], covariance[None][:, kept][:, :, kept])
    held = mean[None, kept].copy()
    values = {v: float(rng.normal()) for v in (*do, *given_)}
    for name, value in values.items():
        held[0, names.index(name)] = value
    m, s = set_to(b, noise, level, {at[v]: values[v] for v in do})
    y, z = at[order[0]], [at[v] for v in given_]
    truth = m[y]
    if z:
        truth += s[y, z] @ np.linalg.solve(s[np.ix_(z, z)], np.array([values[v] for v in given_]) - m[z])
    assert mean_in(factor, names.index(order[0]), held)[0] == pytest.approx(truth, abs=1e-7)


def napkin(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """X raises Y by 0.7; noise is skewed."""
    a, b = rng.standard_normal((2, n))
    w = a + b + rng.standard_normal(n)
    r = 0.8 * w + rng.exponential(size=n) - 1
    x = 0.9 * r + a + rng.standard_normal(n)
    return {"W": w, "R": r, "X": x, "Y": 0.7 * x + b + rng.exponential(size=n) - 1}


def test_the_napkin_s_interval_covers_and_its_point_is_right() -> None:
    """200 sets of 300 rows: 95% within chance (89.5% to 98.5% with 99.9%), and no bias that 200 sets would show."""
    rng = np.random.default_rng(3)
    found = [estimate(napkin(rng, 300), NAPKIN, "X", "Y", values=(0, 1)) for _ in range(200)]
    inside = [f.interval is not None and f.interval.low < 0.7 < f.interval.high for f in found]
    values = np.array([f.value for f in found], dtype=float)
    assert 0.895 <= np.mean(inside) <= 0.99
    assert abs(np.median(values) - 0.7) < 0.03
    assert found[0].method.startswith("formula on the covariances of 4 columns")
    assert any("additive noise of any distribution" in a for a in found[0].assumptions)


def test_adjustment_by_lines_and_by_the_formula_agree_where_there_are_no_interactions() -> None:
    """The formula's line is that of least squares without interactions: the same number to rounding."""
    rng = np.random.default_rng(4)
    a = rng.standard_normal(500)
    x = a + rng.standard_normal(500)
    y = 0.5 * x + a + rng.standard_normal(500)
    table = {"A": a, "X": x, "Y": y}
    known = estimate(table, "A -> X, A -> Y, X -> Y", "X", "Y", by="id", how="linear", values=(0, 2))
    slope = np.linalg.lstsq(np.stack([np.ones(500), x, a], axis=1), y, rcond=None)[0][1]
    assert known.value == pytest.approx(2 * slope, abs=1e-10)


def test_the_language_takes_lines_where_columns_are_numbers(tmp_path: Path) -> None:
    made = napkin(np.random.default_rng(5), 400)
    rows = [dict(zip(made, map(float, row), strict=True)) for row in zip(*made.values(), strict=True)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = 'data d = jsonl("./d.jsonl")\n' + "".join(f"node {v} = row.{v}\n" for v in "WRXY")
    text += f"graph N {{ {NAPKIN} }}\nestimate E[Y | do(X = 1)] - E[Y | do(X = 0)] in N on d\n"
    (found,) = run_program(check_text(text, folder=tmp_path)).estimates
    known = estimate(made, NAPKIN, "X", "Y", values=(0, 1))
    assert found.regime == "id"
    assert found.value == pytest.approx(known.value, abs=1e-12)
    with pytest.raises(DiagnosticError, match="no mean that follows from lines"):
        run_program(
            check_text(text.replace("E[Y | do(X = 1)] - E[Y | do(X = 0)]", "P(Y > 0 | do(X = 1))"), folder=tmp_path)
        )
    twice = {**made, "W": made["R"] * 2}
    with pytest.raises(DiagnosticError, match="CQ852"):
        estimate(twice, NAPKIN, "X", "Y", values=(0, 1))
