"""The register of estimators: names that a check knows, packages that add to them; and what has no interval."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import ESTIMATORS, infer
from causalcircuit.query import Options, methods
from tests.inference.making import DIFFERENCE, bootstrap, pairs, sample


def test_a_check_knows_the_names_that_inference_registers() -> None:
    built_in = {name: e for name, e in ESTIMATORS.items() if name != "default"}
    assert set(built_in) == set(methods.METHODS)
    assert {name for name, e in built_in.items() if e.random} == set(methods.RANDOM)
    assert {name for name, e in built_in.items() if e.tests_zero} == {"permutation"}


def test_an_installed_package_offers_an_estimator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(
        "from causalcircuit.inference import Fit, estimator\n"
        "@estimator('halved')\n"
        "def halved(problem, options):\n"
        "    value = problem.units.mean[..., 0] / 2\n"
        "    return Fit(value, lambda a: (value - 1, value + 1), 'half of it')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(methods, "entry_points", lambda group: [EntryPoint("halved", "halving", group)])
    methods.offered.cache_clear()
    try:
        assert methods.known("halved")
        assert infer(sample(np.full(9, 3.0)), Options("halved")).value == 3.0  # the estimate is that of the rows
        found = infer(sample(np.arange(9.0)), Options("halved"))
        assert (found.method, found.interval and found.interval.high) == ("half of it", 3.0)
        assert not methods.known("doubled")
        with pytest.raises(DiagnosticError, match="CQ601"):
            infer(sample(np.arange(9.0)), Options("doubled"))
    finally:
        ESTIMATORS.pop("halved", None)
        sys.modules.pop("halving", None)
        methods.offered.cache_clear()


@pytest.mark.parametrize("options", [Options(), Options("student"), bootstrap(), bootstrap("studentised")])
def test_one_row_has_a_value_and_a_warning(options: Options) -> None:
    found = infer(sample(pairs(1), DIFFERENCE), options)
    assert found.value is not None
    assert found.interval is None
    assert [d.code for d in found.warnings] == ["CQ916"]
    assert "one row" in found.warnings[0].message


def test_one_cluster_has_a_value_and_a_warning() -> None:
    found = infer(sample(pairs(50), DIFFERENCE, cluster=np.zeros(50, dtype=np.intp)), Options())
    assert found.interval is None
    assert [d.code for d in found.warnings] == ["CQ609", "CQ916"]
    assert "one cluster" in found.warnings[1].message
