"""The engine against the brute force on the two models that ship, with their data."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.query import ALL, LAST
from tests.truth.ask import Attention, DType, Engine, disagreement, engine
from tests.truth.cases import Cases
from tests.truth.say import cell, do, given, site
from tests.truth.shipped import EXAMPLES, IOI, SCENE, SHIPPED, brute

FLOAT64, EAGER, FLOAT32 = 1e-9, 1e-6, 1e-4


def made(name: str, dtype: DType = "float64", attention: Attention = "sdpa") -> Engine:
    shipped = SHIPPED[name]
    folder, data = EXAMPLES / "models" / shipped.model, EXAMPLES / "data" / shipped.data
    return engine(folder, data, shipped.feeds, dtype, attention, shipped.rows)


def beyond(bar: float, model: Engine, name: str, cases: Cases) -> dict[str, float]:
    """The cases in which engine and brute force are not within `bar` of each other, and by how much."""
    got = model.ask(cases.values(), max_tokens=100_000)
    errors = {case: disagreement(got[c], brute(name), c) for case, c in cases.items()}
    return {case: x for case, x in errors.items() if not x < bar}  # `not`: NaN is within nothing


@pytest.mark.parametrize("name", SHIPPED)
def test_float64(name: str) -> None:
    assert beyond(FLOAT64, made(name), name, SHIPPED[name].cases) == {}


@pytest.mark.parametrize(("dtype", "attention", "bar"), [("float64", "eager", EAGER), ("float32", "sdpa", FLOAT32)])
@pytest.mark.parametrize("name", SHIPPED)
def test_other_precisions(name: str, dtype: DType, attention: Attention, bar: float) -> None:
    cases = dict(list(SHIPPED[name].cases.items())[::7])
    assert beyond(bar, made(name, dtype, attention), name, cases) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "attention", "bar"),
    [("float64", "sdpa", FLOAT64), ("float64", "eager", EAGER), ("float32", "sdpa", FLOAT32)],
)
@pytest.mark.parametrize("name", ["ioi", "captioner"])
def test_full_grid(name: str, dtype: DType, attention: Attention, bar: float) -> None:
    assert beyond(bar, made(name, dtype, attention), name, SHIPPED[name].full) == {}


@pytest.mark.parametrize(
    ("name", "ground", "address", "position"),
    [
        ("ioi", IOI, "final_norm", LAST),
        ("ioi", IOI, "layer[1].resid", LAST),
        ("ioi", IOI, "layer[0].resid", ALL),
        ("ioi", IOI, "embed", ALL),
        ("captioner", SCENE, "encoder.out", ALL),
        ("captioner", SCENE, "encoder.embed", ALL),
        ("captioner", SCENE, "decoder.final_norm", LAST),
    ],
)
def test_patching_all_that_the_readout_reads(name: str, ground, address: str, position) -> None:
    """From the corrupt prompt (of the clean one's length), or the other picture: its value there, on every row."""
    cut = site(address, position)
    patched = do((cut, given(cut, ground.other)))
    cells = [cell(ground.readout, w) for w in (ground.other, patched, do())]
    there, got, here = made(name).ask(cells).values()
    assert np.abs(there - got).max() < 1e-9
    assert np.abs(there - here).max() > 0.5
