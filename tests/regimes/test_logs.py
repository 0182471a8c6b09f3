"""`observe`: what a log holds, what is estimated from it, and what it never overwrites."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.runs import Session, check, check_text, run_program
from causalcircuit.runs.logs import provenance

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = [
    {"x": i % 2, "h": [i, 1.0], "who": "man" if i % 3 else "woman", "unit": i // 2, "p": 1.0 + i % 2} for i in range(12)
]
TEXT = """data d = jsonl("./d.jsonl") cluster row.unit weight row.p where row.x = 1
node X = row.x
node H = dot(row.h, row.h)
node Who = row.who
observe [X, H, Who] on d to "./log.parquet"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "a.cq").write_text(TEXT)
    (tmp_path / "b.cq").write_text(TEXT)
    return tmp_path


def test_a_log_has_the_nodes_the_rows_and_what_it_was_made_from(folder: Path) -> None:
    result = run_program(check(folder / "a.cq"))
    assert result.saved == (str(folder / "log.parquet"),)
    found = pq.read_table(folder / "log.parquet").to_pydict()
    kept = [i for i, row in enumerate(ROWS) if row["x"] == 1]
    assert found["row"] == kept
    assert found["unit"] == [ROWS[i]["unit"] for i in kept]
    assert found["p"] == [2.0] * 6
    assert found["H"] == [i * i + 1.0 for i in kept]
    assert found["Who"] == [ROWS[i]["who"] for i in kept]
    told = provenance(folder / "log.parquet")
    assert told is not None
    assert (told["program"], told["cluster"]) == ("a.cq", "unit")
    assert told["nodes"] == {"X": "row.x", "H": "dot(row.h, row.h)", "Who": "row.who"}
    assert told["made_from"]["data"]["d"]
    assert not [p for p in folder.iterdir() if p.name.startswith("tmp")]


def test_the_same_program_renews_its_log_and_no_other_does(folder: Path) -> None:
    run_program(check(folder / "a.cq"))
    before = (folder / "log.parquet").read_bytes()
    run_program(check(folder / "a.cq"))
    assert (folder / "log.parquet").read_bytes() == before
    with pytest.raises(DiagnosticError, match="CQ869"):
        check(folder / "b.cq")
    (folder / "log.parquet").write_text("something of value")
    with pytest.raises(DiagnosticError, match="no `observe` wrote it"):
        check(folder / "a.cq")
    assert (folder / "log.parquet").read_text() == "something of value"


def test_python_and_a_prompt_write_logs_too(folder: Path) -> None:
    rows = cq.data(folder / "d.jsonl", cluster=cq.row.unit)
    path = cq.observe(on=rows, to=folder / "p.parquet", X=cq.row.x, Two=cq.row.x + 1)
    assert pq.read_table(path).column_names == ["row", "unit", "X", "Two"]
    answer = Session(folder=folder).execute(TEXT.replace("log.parquet", "s.parquet"))
    assert answer.result is not None
    assert answer.result.saved == (str(folder / "s.parquet"),)


def test_what_cannot_be_written_is_told(folder: Path) -> None:
    (folder / "taken").write_text("a file")
    with pytest.raises(DiagnosticError, match="CQ720"):
        run_program(check_text(TEXT.replace("./log.parquet", "./taken/log.parquet"), folder=folder))


def test_the_front_door_of_the_example_holds_the_truth_that_the_bare_difference_misses() -> None:
    """`examples/training/log_data.py` plants 0.12."""
    effect, bare = run_program(check(EXAMPLES / "frontdoor.cq")).estimates
    assert effect.interval is not None
    assert bare.interval is not None
    assert effect.interval.low < 0.12 < effect.interval.high
    assert bare.interval.low > 0.2


@pytest.mark.slow
def test_a_model_s_values_are_logged_and_estimated_without_it(tmp_path: Path) -> None:
    text = f"""use "{EXAMPLES / "mediation.cq"}" as m
data long = jsonl("{EXAMPLES / "data/scenes_long.jsonl"}") with image = row.photo, prefix = "a" cluster row.figure
node B = row.is_kitchen realize 1 -> m.kitchen, 0 -> m.office
node S = norm(m.A)
node Y = m.W
graph G {{ B -> Y, S }}
let tau = E[Y | do(B = 1)] - E[Y | do(B = 0)]
observe [B, S, Y] on long to "./log.parquet"
estimate tau in G on long by intervention, adjustment
"""
    exact, observed, apart = run_program(check_text(text, folder=tmp_path)).estimates
    again = """data log = parquet("./log.parquet") cluster row.figure
node B = row.B
node Y = row.Y
graph G { B -> Y }
estimate E[Y | do(B = 1)] - E[Y | do(B = 0)] in G on log by adjustment
"""
    (found,) = run_program(check_text(again, folder=tmp_path)).estimates
    assert found.value == pytest.approx(observed.value, abs=1e-12)
    assert exact.value == pytest.approx(4.237, abs=0.01)
    assert apart.value == pytest.approx((observed.value or 0) - (exact.value or 0), abs=1e-9)


@pytest.mark.slow
def test_a_wrong_diagram_shows_beside_the_interventions() -> None:
    """`structure.cq`: adjustment is near the exact effect, without the common cause it is far from it."""
    found = {(e.graph, dict(e.at)["by"]): e for e in run_program(check(EXAMPLES / "structure.cq")).estimates}
    apart = "adjustment - intervention"
    assert {round(found[g, "intervention"].value or 0, 3) for g in ("G", "Chosen", "Wrong")} == {4.237}
    for near in (found["G", "adjustment(F) - intervention"], found["Chosen", apart]):
        assert near.p is not None
        assert near.p > 0.01
    far = found["Wrong", apart]
    assert far.interval is not None
    assert far.p is not None
    assert far.interval.low > 0.4
    assert far.p < 0.001
