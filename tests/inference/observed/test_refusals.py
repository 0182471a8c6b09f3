"""Tables and questions that no number answers: each refused or warned of by its code, with the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference.observed import bounds, estimate, sensitivity

RNG = np.random.default_rng(0)
N = 60
Z = RNG.integers(0, 3, N)
A = RNG.standard_normal(N)
X = RNG.integers(0, 2, N)
Y = X + Z + A + RNG.standard_normal(N)
GOOD: dict[str, Any] = {"Z": Z, "A": A, "X": X, "Y": Y}
G = "Z -> X, Z -> Y, X -> Y"
H = "A -> X, A -> Y, X -> Y"


def holed(name: str, value: float, *rows: int) -> dict[str, Any]:
    out = {k: v.astype(float) for k, v in GOOD.items()}
    for row in rows:
        out[name][row] = value
    return out


def table(**more: Any) -> dict[str, Any]:
    return {**GOOD, **more}


CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (r"CQ850.*`Y` has no finite value in row 3\b", holed("Y", np.nan, 2), G, {}),
    (r"CQ850.*`Z`.* rows 1, 2, 3, 4, 5 and 2 more", holed("Z", np.inf, *range(7)), G, {}),
    (r"CQ850.*`X`.* row 2", table(X=np.array([0, None, *X[2:]], dtype=object)), G, {}),
    (r"CQ850.*`cluster`", GOOD, G, {"cluster": np.where(np.arange(N) == 1, np.nan, 1.0)}),
    (r"CQ850.*`weight`", GOOD, G, {"weight": np.where(np.arange(N) == 1, np.nan, 1.0)}),
    (r"CQ851.*no column `Y`", {k: v for k, v in GOOD.items() if k != "Y"}, G, {}),
    (r"CQ851.*`Y` has 59 rows", table(Y=Y[1:]), G, {}),
    (r"CQ851.*`Z` is latent", GOOD, "dag { Z [latent] Z -> X Z -> Y X -> Y }", {}),
    (r"CQ851.*weights are 0 or more", GOOD, G, {"weight": -np.ones(N)}),
    (r"CQ851.*weights are 0 or more", GOOD, G, {"weight": np.zeros(N)}),
    (r"CQ851.*no rows", {k: v[:0] for k, v in GOOD.items()}, G, {}),
    (r"CQ851.*no column `u`", GOOD, G, {"cluster": "u"}),
    (r"CQ851.*dimensions", table(Z=np.stack([Z, Z])), G, {}),
    (r"CQ851.*neither numbers nor text", table(Z=np.array(["a", 1] * 30, dtype=object)), G, {}),
    (r"CQ852.*`X` is constant", table(X=np.ones(N)), G, {}),
    (r"CQ852.*`A` is constant", table(A=np.full(N, 0.1)), H, {"how": "regression"}),
    (r"CQ852.*`B` is a linear combination of .*`A`", table(B=3 * A - 1), H + ", B -> X, B -> Y", {"how": "regression"}),
    (r"CQ852.*`Z` is constant", table(Z=np.zeros(N)), "Z -> X, X -> Y, X <-> Y", {"by": "iv"}),
    (r"CQ853.*3 rows for 4 coefficients", {k: v[np.r_[0, 1, 2]] for k, v in table(X=np.arange(N) % 2).items()}, H, {}),
    (r"CQ853.*4 clusters for 5 folds", GOOD, H, {"how": "doubly_robust", "cluster": np.arange(N) % 4}),
    (r"CQ854.*X = 0, Z = 2", table(X=np.where(Z == 2, 1, X)), G, {"how": "cells"}),
    (r"CQ854.*Z = 2, X = 0", table(X=np.where(Z == 2, 1, X), Y=(Y > 1).astype(int)), G, {"by": "id"}),
    (r"CQ854.*X = 7", table(Y=(Y > 1).astype(int)), G, {"by": "id", "values": (0, 7)}),
    (r"CQ854.*determines `X`", table(X=(A > 0).astype(int)), H, {"how": "weighting"}),
    (r"CQ854.*determines `X`", table(X=(A > 0).astype(int)), H, {"how": "doubly_robust"}),
    (r"CQ854.*X = 1, Z = 0", table(Z=X), "X -> Z, Z -> Y, X <-> Y", {"by": "frontdoor", "how": "cells"}),
    (r"CQ855.*is not identified", GOOD, "X -> Y, X <-> Y", {}),
    (r"CQ855.*was not identified by frontdoor|CQ855.*is not identified by frontdoor", GOOD, G, {"by": "frontdoor"}),
    (r"CQ855", {"X": X, "Y": Y}, G, {}),
    (r"CQ859.*60 values: which two", table(X=A), G, {}),
    (r"CQ859.*compared with itself", GOOD, G, {"values": (1, 1)}),
    (r"CQ859.*`Y` holds text", table(Y=np.array(["a", "b"] * 30)), G, {}),
    (r"CQ859.*no estimator `celsl`", GOOD, G, {"how": "celsl"}),
    (r"CQ859.*`A` is not discrete", GOOD, H, {"how": "cells"}),
    (r"CQ859.*needs a seed", GOOD, G, {"resamples": 999}),
    (r"CQ859.*too few for a 95%", GOOD, G, {"resamples": 99, "seed": 1}),
    (r"CQ859.*no share", GOOD, G, {"level": 95}),
    (r"CQ859.*compares two values", table(X=X + Z), H, {"how": "weighting", "values": (0, 1)}),
    (r"CQ859.*has no bootstrap", GOOD, H, {"how": "weighting", "resamples": 999, "seed": 1}),
    (r"CQ859.*no row has `X` = up", table(X=np.array(["a", "b"])[X]), G, {"values": ("a", "up")}),
    (r"CQ859.*`X` holds numbers", GOOD, G, {"values": (0, "up")}),
    (r"CQ859.*says nothing to", GOOD, G, {"instruments": ("Z",)}),
    (r"CQ833", GOOD, G, {"using": ("X",), "by": "adjustment"}),
]


@pytest.mark.parametrize(("match", "rows", "diagram", "options"), CASES, ids=[c[0][:40] for c in CASES])
def test_it_is_refused(match: str, rows: dict[str, Any], diagram: str, options: dict[str, Any]) -> None:
    with pytest.raises(DiagnosticError, match=match):
        estimate(rows, diagram, "X", "Y", **options)


def test_a_treatment_is_no_outcome() -> None:
    with pytest.raises(DiagnosticError, match="CQ833"):
        estimate(GOOD, G, "X", "X")


def test_a_refusal_says_what_would_help() -> None:
    with pytest.raises(DiagnosticError) as caught:
        estimate({**GOOD, "V": X}, "V -> X, X -> Y, X <-> Y", "X", "Y")
    text = " ".join(caught.value.diagnostics[0].help)
    assert "by='iv'" in text
    assert "instrument='V'" in text


def test_an_outcome_that_is_no_descendant() -> None:
    found = estimate(GOOD, "Y -> X, Z -> X", "X", "Y")
    assert (found.value, found.interval.low, found.interval.high) == (0, 0, 0)
    assert [(w.code, w.severity) for w in found.warnings] == [("CQ858", "note")]
    assert found.by == "diagram"


def test_little_overlap_is_said() -> None:
    a = np.linspace(-3, 3, 400)
    x = (np.random.default_rng(1).random(400) < 1 / (1 + np.exp(-3 * a))).astype(int)
    rows = {"A": a, "X": x, "Y": x + a}
    found = estimate(rows, H, "X", "Y", how="weighting")
    (said,) = [w for w in found.warnings if w.code == "CQ856"]
    assert "row" in said.message
    assert dict(found.diagnostics)["smallest propensity"] < 0.02
    assert dict(found.diagnostics)["effective rows, treated"] < x.sum()
    lacking = {"Z": np.repeat([0, 1, 2], 40), "X": np.r_[np.zeros(40), np.tile([0, 1], 40)], "Y": np.arange(120.0)}
    regressed = estimate(lacking, G, "X", "Y")
    assert regressed.method.startswith("regression")
    assert any(w.code == "CQ856" and "X = 1, Z = 0" in w.message for w in regressed.warnings)


def test_a_regression_says_where_it_extrapolates() -> None:
    assert estimate(GOOD, H, "X", "Y").warnings == ()
    apart = estimate(table(X=(A > 0).astype(int)), H, "X", "Y")
    assert apart.value is not None
    assert [w.code for w in apart.warnings] == ["CQ856"]
    assert "determines `X`" in apart.warnings[0].message


def test_one_row_in_a_cell_leaves_no_interval() -> None:
    rows = {"Z": np.array([0] * 10 + [1] * 10), "X": np.array([0, 1] * 5 + [1] + [0] * 9), "Y": np.arange(20.0)}
    found = estimate(rows, G, "X", "Y", how="cells")
    assert found.value is not None
    assert found.interval is None
    assert "rests on one alone" in found.reason
    assert found.p_inside is not None
    boot = estimate(rows, G, "X", "Y", how="cells", resamples=999, seed=1)
    assert boot.interval is None
    assert "resamples have no value" in boot.reason


def test_as_many_rows_as_coefficients_leave_no_interval() -> None:
    rows = {"A": np.array([0.0, 1, 2, 5]), "X": np.array([0, 1, 0, 1]), "Y": np.array([1.0, 2, 3, 4])}
    found = estimate(rows, H, "X", "Y")
    assert found.interval is None
    assert found.reason


def test_what_the_table_lacks_is_unmeasured() -> None:
    found = estimate(GOOD, "A -> X, Z -> A, Z -> Y, A -> Y, X -> Y, Q -> Y", "X", "Y")
    assert any("taken as unmeasured: Q" in a for a in found.assumptions)


def test_few_clusters_are_said() -> None:
    found = estimate(GOOD, G, "X", "Y", cluster=np.arange(N) // 5)
    assert found.clusters == 12
    assert found.df == 11
    assert [w.code for w in found.warnings] == ["CQ609"]


def test_bounds_and_sensitivity_check_their_columns() -> None:
    iv = "Z -> X, X -> Y, X <-> Y"
    with pytest.raises(DiagnosticError, match="CQ859"):
        bounds(GOOD, iv, "X", "Y", "Z")
    with pytest.raises(DiagnosticError, match="CQ854"):
        bounds(table(Y=X), iv, "X", "Y", "Z", values=(0, 5))
    with pytest.raises(DiagnosticError, match="CQ850"):
        sensitivity(holed("A", np.nan, 0), "X", "Y", ["A"])
    with pytest.raises(DiagnosticError, match="CQ853"):
        sensitivity({k: v[:4] for k, v in table(X=np.arange(N) % 2).items()}, "X", "Y", ["A"])
    with pytest.raises(DiagnosticError, match="CQ859"):
        sensitivity(GOOD, "X", "Y", ["A"]).adjusted(1.0, 0.5)
