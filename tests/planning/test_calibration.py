"""Rates of a machine: found from passes of known work, kept, and read again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine.cost import calibration
from causalcircuit.engine.cost.seconds import Rates, Work, guessed
from causalcircuit.runs import calibrate_for

TRUE = Rates(2e-5, 3e-11, 5e-11, 2e-9, 1e-10, 0, 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(calibration, "private_folder", lambda: tmp_path)
    return tmp_path


def test_rates_are_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine whose passes take exactly what known rates say, these are found."""
    works: list[Work] = []
    real = calibration.work_of

    def heard(*arguments: object) -> Work:
        works.append(real(*arguments))  # type: ignore[arg-type]
        return works[-1]

    monkeypatch.setattr(calibration, "work_of", heard)
    monkeypatch.setattr(calibration, "_model", lambda *_: torch.nn.Identity())
    monkeypatch.setattr(calibration, "_timed", lambda *_: TRUE.seconds(works[-1]))
    assert calibration.calibrated("cpu", torch.float32).guessed
    rates, missed = calibration.calibrate("cpu", torch.float32)
    assert missed < 1e-6
    for part in ("calls", "linear", "attention", "numbers", "weights"):
        assert getattr(rates, part) == pytest.approx(getattr(TRUE, part), rel=1e-3)
    assert calibration.calibrated("cpu", torch.float32) == rates
    assert calibration.calibrated("cpu", torch.float64).guessed
    monkeypatch.setattr(calibration, "threads", lambda: 64)
    assert calibration.calibrated("cpu", torch.float32).guessed


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rates": {"calls": "fast"}}', '{"rates": {"calls": -1}}'])
def test_a_file_that_is_no_calibration_is_a_guess(folder: Path, content: str) -> None:
    path = calibration._path("cpu", torch.float32)
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert calibration.calibrated("cpu", torch.float32) == guessed("cpu", calibration.threads())


def test_a_device_that_takes_no_pass_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise RuntimeError("no such device\nat all")

    monkeypatch.setattr(calibration, "calibrate", none)
    with pytest.raises(DiagnosticError, match=r"CQ765.*float32 on `cpu` cannot be measured: no such device"):
        calibrate_for(None)


def test_more_work_takes_longer() -> None:
    rates = guessed("cpu", 1)
    assert rates.seconds(Work(linear=2e9)) > rates.seconds(Work(linear=1e9)) > 0
    assert guessed("cuda", 1).seconds(Work(linear=1e12)) < rates.seconds(Work(linear=1e12))
