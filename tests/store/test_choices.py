"""Searches and claims last: choices of wires that were measured are not measured again, and a limit holds for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from causalcircuit.attribution.kept import Kept
from causalcircuit.attribution.room import Room
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.query.counted import steps_of
from causalcircuit.runs import Keep, check_text, run_program
from causalcircuit.runs.rewiring import Rewiring
from tests.store.conftest import HEAD

torch.set_num_threads(1)
LINES = """let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, method = eap, keep = 60 edges, trust = none) on d
circuit K = smallest(C, search = {}, faithful > 0.5) on d
show K
"""
CLAIM = "test sufficient(C, beyond = 20%, draws = 6) on d seed 1 correct holm alpha 0.05\n"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many choices were measured, row by row of chunks."""
    found: list[int] = []
    plain = Kept.readout

    def readout(self: Kept, kept: object) -> object:
        found.append(len(self.rows))
        return plain(self, kept)  # type: ignore[arg-type]

    monkeypatch.setattr(Kept, "readout", readout)
    return found


def run(text: str, folder: Path, keep: Keep = "use", limit: int | None = None) -> Result:
    return run_program(check_text(HEAD + text, "t.cq", folder), keep=keep, limit=limit)


def edges(result: Result) -> list[object]:
    (circuit,) = result.circuits[0].circuits
    return [(e.source, e.target) for e in circuit.edges]


def test_a_search_goes_on_where_it_was(store: Path, folder: Path, counted: list[int]) -> None:
    truth = run(LINES.format("bisect"), folder, "off")
    first = len(counted)
    run(LINES.format("bisect"), folder)
    assert len(counted) == 2 * first
    again = run(LINES.format("bisect"), folder)
    # What was found is measured anew: none, these, all.
    assert len(counted) <= 2 * first + 3
    assert edges(again) == edges(truth)
    said = [n for n in again.circuits[0].circuits[0].trust.notes if "choices" in n]  # type: ignore[union-attr]
    assert int(re.findall(r"measured (\d+) choices", said[0])[0]) > 3
    run(LINES.format("greedy"), folder)
    assert len(counted) > 2 * first + 3  # another search asks for other choices


def test_claims_find_what_was_measured(store: Path, folder: Path, counted: list[int]) -> None:
    text = LINES.partition("circuit K")[0] + CLAIM
    truth = run(text, folder, "off").hypotheses
    first = len(counted)
    run(text, folder)
    before = len(counted)
    again = run(text, folder).hypotheses
    assert first > 6
    assert len(counted) == before
    assert [(t.value, t.verdict, t.p) for t in again] == [(t.value, t.verdict, t.p) for t in truth]


def test_a_limit_holds(store: Path, folder: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    free = edges(run(LINES.format("bisect"), folder, "off"))
    most = max(counted)
    counted.clear()
    small = Room(8, None, 1 << 20, 0)
    monkeypatch.setattr("causalcircuit.attribution.search.room_of", lambda *_: small)
    monkeypatch.setattr("causalcircuit.attribution.lab.room_of", lambda *_: small)
    assert edges(run(LINES.format("bisect"), folder, "off", 2_000_000_000)) == free
    assert max(counted) == 1 < most
    counted.clear()
    run(LINES.partition("circuit K")[0] + CLAIM, folder, "off", 2_000_000_000)
    assert max(counted) == 1


def test_a_limit_that_holds_no_row(store: Path, folder: Path) -> None:
    run(LINES.partition("circuit K")[0] + "show C\n", folder)  # the scores are known: the search asks for room itself
    with pytest.raises(DiagnosticError) as caught:
        run(LINES.format("bisect"), folder, "use", 900_000)
    assert caught.value.diagnostics[0].code == "CQ820"


WORLD = """let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, method = eap, keep = 20 edges, trust = none) on d
estimate E[LD | do(outside(C) = (outside(C) | corrupt))] on d
"""


def test_worlds_of_circuits_keep_what_is_done_when_they_are_stopped(
    store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causalcircuit.runs.execute.PASS_POSITIONS", 40)
    plain = Rewiring._together

    def small(self: Rewiring, group: Any, cells: Any, model: Any, heard: Any, places: Any) -> None:
        plain(self, group, cells, model, heard, 200)  # some rows a pass

    monkeypatch.setattr(Rewiring, "_together", small)
    program = check_text(HEAD + WORLD, "t.cq", folder)
    truth = run_program(program, keep="off")
    (whole,) = truth.estimates
    seen: list[int] = []

    def stop(done: int, total: int, what: str) -> None:
        if steps_of(what) == "rows × worlds":
            seen.append(done)
            if len(seen) > 1 and 0 < done < total:
                raise KeyboardInterrupt

    part = run_program(program, progress=stop)
    assert part.interrupted
    assert 0 < seen[-1] < whole.n
    rest = run_program(program)
    assert not rest.interrupted
    assert rest.estimates[0].value == whole.value
    passes = [next(iter(r.tables.values())).cost["row_passes"] for r in (truth, rest)]
    assert passes[1] < passes[0]
