"""Tables, diagrams and questions that a structural model does not take: each by its code, with the place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.scm import World, fit

RNG = np.random.default_rng(0)
N = 60
Z, A = RNG.integers(0, 3, N), RNG.normal(size=N)
X = RNG.integers(0, 2, N)
GOOD: dict[str, Any] = {"Z": Z, "A": A, "X": X, "Y": X + Z + A}
G = "Z -> X, Z -> Y, X -> Y"


def holed(*rows: int) -> dict[str, Any]:
    y = GOOD["Y"].copy()
    y[list(rows)] = np.nan
    return {**GOOD, "Y": y}


FITS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (r"CQ850.*`Y` has no finite value in rows 3, 5", holed(2, 4), G, {}),
    (r"CQ851.*`Z` is latent", GOOD, "dag { Z [latent] Z -> X Z -> Y X -> Y }", {}),
    (r"CQ851.*no column `Q`", GOOD, "Q -> R", {}),
    (r"CQ852.*`X` is constant", {**GOOD, "X": np.ones(N)}, G, {}),
    (r"CQ852.*`B` is a linear combination of `A`", {**GOOD, "B": 2 * A}, "A -> Y, B -> Y", {}),
    (r"CQ853.*3 rows for 4 coeff", {k: v[:3] for k, v in {**GOOD, "B": A**2}.items()}, "A -> Y, B -> Y, Z -> Y", {}),
    (r"CQ830", GOOD, "X -> Y, Y -> X", {}),
    (r"CQ880.*`linear`", GOOD, G, {"mechanisms": "linear"}),
    (r"CQ881.*`Z` holds text", {**GOOD, "Z": np.array(["a", "b", "c"])[Z]}, G, {}),
    (r"CQ881.*`A` has 60 values", GOOD, "A -> Y, X -> Y", {"mechanisms": "discrete"}),
    (r"CQ881.*`X` has two values", GOOD, G, {"mechanisms": "additive_noise", "resamples": 399, "seed": 1}),
    (r"CQ859.*1 bins", GOOD, G, {"mechanisms": "discrete", "bins": 1}),
    (r"CQ859.*prior of -1", GOOD, "Z -> X", {"mechanisms": "discrete", "prior": -1}),
    (r"CQ859.*weights", GOOD, "Z -> Y", {"mechanisms": "additive_noise", "weight": A**2, "resamples": 399, "seed": 1}),
    (r"CQ859.*degree of 9", GOOD, "Z -> Y", {"mechanisms": "additive_noise", "degree": 9, "resamples": 399, "seed": 1}),
]


@pytest.mark.parametrize(("said", "table", "diagram", "options"), FITS, ids=[f[0][:24] for f in FITS])
def test_fits_that_are_refused(said: str, table: dict[str, Any], diagram: str, options: dict[str, Any]) -> None:
    with pytest.raises(DiagnosticError, match=said):
        fit(table, diagram, **options)


LINES = fit(GOOD, G)
CELLS = fit(GOOD, "Z -> X", "discrete")
QUESTIONS: list[tuple[str, Callable[[], object]]] = [
    (r"CQ832.*no variable `W`", lambda: LINES.mean("W")),
    (r"CQ832.*`A`", lambda: LINES.mean("Y", {"A": 1})),
    (r"CQ832.*`U` is not measured", lambda: fit(GOOD, f"{G}, U -> Y").mean("U")),
    (r"CQ859.*3 values", lambda: LINES.effect("Z", "Y")),
    (r"CQ859.*itself", lambda: LINES.effect("Z", "Y", (1, 1))),
    (r"CQ883.*probability 0", lambda: LINES.probability("Y", ("=", 1.0))),
    (r"CQ884.*single row", lambda: CELLS.counterfactual("X", {"Z": 1})),
    (r"CQ885.*no arrow X -> Z", lambda: LINES.effect("X", "Y", through=[("X", "Z", "Y")])),
    (r"CQ885.*leads elsewhere", lambda: LINES.effect("Z", "Y", (0, 1), through=[("X", "Y")])),
    (r"CQ885.*the arrow Y -> X", lambda: LINES.mean("Y", World((), ((("Y", "X"), 1.0),)))),
    (
        r"CQ885.*`M` between them",
        lambda: fit(GOOD, "X -> M, M -> Y, X -> Y").mean("Y", World((), ((("X", "Y"), 1.0),))),
    ),
]


@pytest.mark.parametrize(("said", "question"), QUESTIONS, ids=[q[0][:24] for q in QUESTIONS])
def test_questions_that_are_refused(said: str, question: Callable[[], object]) -> None:
    with pytest.raises(DiagnosticError, match=said):
        question()


@pytest.mark.parametrize("mechanisms", ["linear_gaussian", "discrete"])
def test_no_descendant_has_effect_0_and_it_is_said(mechanisms: str) -> None:
    found = fit(GOOD, "Z -> X", mechanisms).effect("X", "Z")
    assert (found.value, [w.code for w in found.warnings]) == (0.0, ["CQ858"])
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0, 0)
