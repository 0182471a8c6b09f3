"""`--plan naive`: every world runs whole, and the numbers are those of shared passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.query import Result
from causalcircuit.runs.verifying import claimed, verify
from tests.planning.counting import operations
from tests.tools.programs import cq as command

IOI = Path(__file__).parents[2] / "examples" / "ioi.cq"
NEAR = 1e-5


@pytest.fixture(scope="module")
def naive() -> Result:
    return cq.run(IOI, plan="naive")


def test_the_numbers_agree(naive: Result) -> None:
    full = cq.run(IOI)
    assert (full.manifest["plan"], naive.manifest["plan"]) == ("full", "naive")
    one, other = full["ate"], naive["ate"]
    assert one.value == pytest.approx(other.value, abs=NEAR)
    assert one.interval is not None
    assert other.interval is not None
    assert (one.interval.low, one.interval.high) == pytest.approx((other.interval.low, other.interval.high), abs=NEAR)
    tables = full.tables["ioi"], naive.tables["ioi"]
    assert set(tables[0].cells) == set(tables[1].cells)
    for cell, values in tables[0].cells.items():
        assert np.abs(values - tables[1].cells[cell]).max() < NEAR


def test_shared_passes_take_fewer_operations() -> None:
    asked = cq.program(IOI.with_name("interchange.cq"))
    cq.run(asked)  # proves the model: what that costs is no part of a plan
    whole = operations(lambda: cq.run(asked, plan="naive"))
    assert operations(lambda: cq.run(asked, plan="full")) < 0.9 * whole


@pytest.mark.parametrize("word", ["run", "test"])
def test_the_command_line_knows_it(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = IOI if word == "run" else IOI.with_name("claims.cq")
    said: list[dict[str, Any]] = []
    for plan in ([], ["--plan", "full"], ["--plan", "naive"]):
        done = command(monkeypatch, word, str(file), "--format", "json", *plan)
        assert done.code in (0, 1)
        said.append(json.loads(done.out))
    assert [s["manifest"]["plan"] for s in said] == ["full", "full", "naive"]
    kind = "estimates" if word == "run" else "hypotheses"
    values = [[a["value"] for a in s[kind]] for s in said]
    assert values[0] == values[1]
    assert values[2] == pytest.approx(values[0], abs=NEAR)
    assert command(monkeypatch, word, str(file), "--plan", "fast").code == 2


def test_a_naive_result_is_verified_by_a_naive_run(naive: Result, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    result.write_text(json.dumps(naive.to_json()))
    compared, _ = verify(claimed(str(result), IOI))
    assert [c.how for c in compared] == ["equal"]
