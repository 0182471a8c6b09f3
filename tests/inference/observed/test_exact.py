"""On the table of all probabilities, each row weighted by its own, every plug-in estimate is the true effect."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.inference.observed import estimate

Law = Callable[..., float]


def enumerated(rng: np.random.Generator, order: list[str], causes: dict[str, str], hidden: str, x: str, y: str) -> Any:
    """A random binary model with latents: its table of observed probabilities, and the effect by truncation."""
    tables = {v: rng.uniform(0.1, 0.9, (2,) * len(causes[v])) for v in order}

    def mass(row: dict[str, int], skip: str = "") -> float:
        out = 1.0
        for v in order:
            if v != skip:
                p = float(tables[v][tuple(row[c] for c in causes[v])])
                out *= p if row[v] else 1 - p
        return out

    rows = [dict(zip(order, bits, strict=True)) for bits in product((0, 1), repeat=len(order))]
    effect = sum(mass(row, x) * row[y] * (1 if row[x] else -1) for row in rows)
    seen = [v for v in order if v not in hidden]
    cells: dict[tuple[int, ...], float] = {}
    for row in rows:
        key = tuple(row[v] for v in seen)
        cells[key] = cells.get(key, 0.0) + mass(row)
    keys = np.array(list(cells))
    table: dict[str, Any] = {v: keys[:, i] for i, v in enumerate(seen)}
    table["p"] = np.array(list(cells.values()))
    return table, effect


BACK = (
    ["Z", "W", "X", "Y"],
    {"Z": "", "W": "Z", "X": "ZW", "Y": "XZW"},
    "",
    "Z -> W, Z -> X, W -> X, X -> Y, Z -> Y, W -> Y",
)
DOOR = (["U", "X", "M", "Y"], {"U": "", "X": "U", "M": "X", "Y": "MU"}, "U", "X -> M, M -> Y, X <-> Y")
NAPKIN = (
    ["U", "V", "W", "Z", "X", "Y"],
    {"U": "", "V": "", "W": "UV", "Z": "W", "X": "ZU", "Y": "XV"},
    "UV",
    "W -> Z, Z -> X, X -> Y, W <-> X, W <-> Y",
)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (BACK, {"by": "adjustment", "how": "cells"}),
        (BACK, {"by": "id"}),
        (BACK, {}),
        (DOOR, {"by": "frontdoor", "how": "cells"}),
        (DOOR, {"by": "id"}),
        (NAPKIN, {"by": "id"}),
        (NAPKIN, {}),
    ],
    ids=str,
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_plug_in_is_exact(model: Any, options: Any, seed: int) -> None:
    order, causes, hidden, diagram = model
    table, effect = enumerated(np.random.default_rng(seed), order, causes, hidden, "X", "Y")
    found = estimate(table, diagram, "X", "Y", weight="p", **options)
    assert found.value == pytest.approx(effect, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_saturated_regression_and_weighting_are_exact(seed: int) -> None:
    """With one binary confounder both models are saturated, so right."""
    causes = {"Z": "", "X": "Z", "Y": "XZ"}
    table, effect = enumerated(np.random.default_rng(seed), ["Z", "X", "Y"], causes, "", "X", "Y")
    for how in ("regression", "weighting", "cells"):
        found = estimate(table, "Z -> X, Z -> Y, X -> Y", "X", "Y", weight="p", how=how)
        assert found.value == pytest.approx(effect, abs=1e-7)


def test_values_of_several_kinds() -> None:
    """Text and numbers, more than two values: the contrast that is asked for."""
    rng = np.random.default_rng(0)
    z = rng.integers(0, 3, 900)
    x = (z + rng.integers(0, 3, 900)) % 3
    y = np.array([0.0, 2.0, 5.0])[x] + z
    table = {"Z": np.array(["a", "b", "c"])[z], "X": np.array(["low", "mid", "top"])[x], "Y": y}
    for by, low, high, effect in (
        ("adjustment", "low", "top", 5),
        ("adjustment", "top", "mid", -3),
        ("id", "low", "mid", 2),
    ):
        found = estimate(table, "Z -> X, Z -> Y, X -> Y", "X", "Y", values=(low, high), by=by, how="cells")
        assert found.value == pytest.approx(effect, abs=1e-9)
        assert f"do(X = {high})" in found.estimand
