"""`cq picture` and `cq run --html`: circuits as pages."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import write
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.report.graph import page
from causalcircuit.tools.picture import pages
from tests.report.graph.circuits import by_hand, two_layers
from tests.tools.programs import Ran, cq

Cq = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Cq:
    return lambda *arguments, **more: cq(monkeypatch, *arguments, **more)


def test_a_file_becomes_a_page(run: Cq, tmp_path: Path) -> None:
    write(two_layers(), tmp_path / "C.json")
    done = run("picture", tmp_path / "C.json", "--html", tmp_path / "C.html", "--title", "indirect object")
    assert (done.code, done.out) == (0, "")
    assert f"written: {tmp_path / 'C.html'}" in done.err
    assert (tmp_path / "C.html").read_text(encoding="utf-8") == page(two_layers(), title="indirect object")


def test_a_file_that_is_missing(run: Cq, tmp_path: Path) -> None:
    done = run("picture", tmp_path / "C.json", "--html", tmp_path / "C.html")
    assert done.code == 2
    assert "CQ770" in done.err
    assert not (tmp_path / "C.html").exists()


def test_a_page_that_cannot_be_written(run: Cq, tmp_path: Path) -> None:
    write(two_layers(), tmp_path / "C.json")
    done = run("picture", tmp_path / "C.json", "--html", tmp_path / "none" / "C.html")
    assert done.code == 2
    assert "CQ782" in done.err


def result(*circuits: Circuit) -> Result:
    return Result(circuits=tuple(CircuitShown((c,)) for c in circuits))


def test_the_only_circuit_of_a_run_is_the_file_itself(tmp_path: Path) -> None:
    assert pages(result(two_layers(), two_layers()), tmp_path / "out.html") == ([tmp_path / "out.html"], ())
    assert (tmp_path / "out.html").read_text(encoding="utf-8") == page(two_layers())


def test_of_several_circuits_each_has_a_file(tmp_path: Path) -> None:
    odd = replace(two_layers(), name="../../A b")
    written, said = pages(result(by_hand(), odd), tmp_path / "out.html")
    assert [p.name for p in written] == ["out-1-GT.html", "out-2-A-b.html"]
    assert all(p.parent == tmp_path and p.is_file() for p in written)
    assert not said


def test_no_circuit_is_said(tmp_path: Path) -> None:
    written, said = pages(Result(), tmp_path / "out.html")
    assert not written
    assert [d.code for d in said] == ["CQ783"]
    assert not (tmp_path / "out.html").exists()


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        pages(result(by_hand()), tmp_path / "none" / "out.html")
    assert [d.code for d in caught.value.diagnostics] == ["CQ782"]
