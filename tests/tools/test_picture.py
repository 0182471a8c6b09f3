"""`cq picture` and `cq run --html`: circuits as pages."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Estimate, Result
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import write
from causalcircuit.query.circuits.shown import CircuitShown
from causalcircuit.query.showing import Axis, Panel, Shown
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


def test_two_of_one_name_stay_two(tmp_path: Path) -> None:
    written, _ = pages(result(two_layers(), replace(by_hand(), name="C")), tmp_path / "out.html")
    assert [p.name for p in written] == ["out-1-C.html", "out-2-C.html"]


def test_heat_maps_are_on_a_page(tmp_path: Path) -> None:
    sweep = Estimate("e(H)", 1.0, None, 0.95, "logit", 9, None, "intervention", "E[Y]", at=(("H", "<script>"),))
    axis = Axis("head", ("</title><script>1</script>",))
    shown = Shown("e(H) </title><script>1</script>", "d", "heatmap", (sweep,), (Panel("", axis, axis, ((0,),)),))
    assert pages(Result(shown=(shown,)), tmp_path / "out.html") == ([tmp_path / "out.html"], ())
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert "<script" not in text
    assert "default-src 'none'; style-src 'sha256-" in text
    both = Result(shown=(shown,), circuits=(CircuitShown((by_hand(),)),))
    assert [p.name for p in pages(both, tmp_path / "b.html")[0]] == ["b-1-GT.html", "b-2-heat-maps.html"]


def test_no_circuit_is_said(tmp_path: Path) -> None:
    written, said = pages(Result(), tmp_path / "out.html")
    assert not written
    assert [d.code for d in said] == ["CQ783"]
    assert not (tmp_path / "out.html").exists()


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        pages(result(by_hand()), tmp_path / "none" / "out.html")
    assert [d.code for d in caught.value.diagnostics] == ["CQ782"]
