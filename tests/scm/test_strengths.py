"""Strengths of arrows: slopes and shares of the model in matrices."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.scm import fit, strengths
from tests.scm.truth import LinearTruth, random_diagram


def test_slopes_and_shares() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = LinearTruth.random(rng, random_diagram(rng, 5, 0.7, 0.0))
        names = truth.diagram.vertices
        law = truth.total @ truth.omega @ truth.total.T
        for one in strengths(fit(truth.table(rng), truth.diagram)):
            i, j = names.index(one.cause), names.index(one.effect)
            slope = truth.slopes[j, i]
            assert one.slope is not None
            assert one.share is not None
            assert one.slope.value == pytest.approx(slope)
            assert one.share.value == pytest.approx(slope**2 * law[i, i] / law[j, j])
            assert one.share.interval is not None


def test_an_arrow_beside_a_shared_error_has_none() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)
    found = strengths(fit({"X": x, "Y": x + rng.normal(size=100)}, "X -> Y, X <-> Y"))
    assert found[0].slope is None
    assert "not identified" in found[0].reason
    with pytest.raises(DiagnosticError, match="CQ881"):
        strengths(fit({"X": x > 0, "Y": x > 1}, "X -> Y", "discrete"))
