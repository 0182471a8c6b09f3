"""Runs that may stop: the same answer as on the rows that they used, and nothing computed beyond them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit import E, do, last, logit, mean, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import DataRef, OutcomeTable, Result, render
from causalcircuit.report.text import to_text
from causalcircuit.rows import clusters, load
from causalcircuit.runs import Runner
from tests.tools.programs import EXAMPLES

HEAD = f"""\
model gpt2 = hf("{EXAMPLES}/models/ioi")
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let ate = E[LD | do(NM = mean(NM))] - E[LD]
"""
WIDE = HEAD + "estimate ate on ioi until width < 1.2 logit seed 7\n"
BOTH = (
    WIDE
    + "estimate P(LD > 0 | do(NM = 0)) - P(LD > 0) on ioi until width < 35 pp seed 7\n"
    + "test ate < -0.5 logit, ate > 1 logit on ioi correct holm until decided seed 3\n"
)


@pytest.fixture(scope="module")
def both() -> Result:
    return Runner(keep="off").run(cq.program(BOTH))


def test_each_question_stops_where_its_rule_holds(both: Result) -> None:
    ate, change = both.estimates
    for estimate, width in ((ate, 1.2), (change, 0.35)):
        assert estimate.stopped.met
        assert estimate.interval.high - estimate.interval.low < width
        assert (estimate.n, estimate.clusters) == (estimate.stopped.used, estimate.stopped.clusters_used)
        assert estimate.stopped.used < estimate.stopped.there == 324
        assert estimate.stopped.clusters_there == 108
    assert ate.method.startswith("asymptotic")
    assert change.method.startswith("betting")
    assert [h.verdict for h in both.hypotheses] == ["supported", "refuted"]
    assert all(h.stopped.met and h.stopped.used < 200 for h in both.hypotheses)
    assert ate.stopped.fixed < ate.stopped.used
    assert "CQ952" not in {d.code for d in both.remarks}


def test_the_answer_is_that_of_its_rows(both: Result) -> None:
    """Rows by the program's own random order; references over all rows of the data."""
    whole = Runner(keep="off").run(cq.program(HEAD + "estimate ate on ioi\n"))
    (table,) = whole.tables.values()
    ate = both.estimates[0]
    declared = cq.program(WIDE).data["ioi"]
    order = load(DataRef("ioi", "jsonl", declared.path, cluster=declared.cluster, order=7))
    used = order.rows[: ate.stopped.used]
    place = {int(r): i for i, r in enumerate(table.rows)}
    chosen = [place[r] for r in used]
    with_, without = (values[chosen] for values in _cells(table))
    assert ate.value == pytest.approx(float(np.mean(with_ - without)), abs=1e-5)
    labels = clusters(order)
    assert labels is not None
    assert len(set(labels[: ate.stopped.used])) == ate.stopped.clusters_used  # whole clusters
    assert not set(labels[: ate.stopped.used]) & set(labels[ate.stopped.used :])


def _cells(table: OutcomeTable) -> tuple[np.ndarray, np.ndarray]:
    """[rows] the readout with the assignment, and without."""
    out = [np.zeros(table.n), np.zeros(table.n)]
    for cell, values in table.cells.items():
        out[not cell.world.assignments] += values if "row.io" in render(cell.readout) else -values
    return out[0], out[1]


def test_nothing_is_computed_beyond_the_chunk_that_ends_it() -> None:
    text = HEAD + "estimate E[LD | do(NM = 0)] - E[LD] on ioi until width < 1.5 logit seed 7\n"
    found = Runner(keep="off").run(cq.program(text))
    (table,) = found.tables.values()
    used = found.estimates[0].stopped.used
    assert used <= table.n < 324
    assert table.cost["row_passes"] < 2 * 324


def test_a_second_run_stops_at_the_same_row_whatever_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(tmp_path / "store"))
    first, second = cq.run(WIDE), cq.run(WIDE)
    whole = cq.run(HEAD + "estimate ate on ioi\n")
    after = cq.run(WIDE)
    assert second.run["computed"] == 0
    assert whole.estimates[0].stopped is None
    stops = {e.estimates[0].stopped for e in (first, second, after)}
    assert len(stops) == 1
    assert len({e.estimates[0].value for e in (first, second, after)}) == 1
    other = cq.run(WIDE.replace("seed 7", "seed 8"))
    assert other.estimates[0].value != first.estimates[0].value


def test_a_rule_that_did_not_hold_is_said() -> None:
    found = Runner(keep="off").run(
        cq.program(HEAD + "estimate ate on ioi until width < 0.2 logit at most 40 clusters seed 7\n")
    )
    (estimate,) = found.estimates
    assert (estimate.stopped.met, estimate.clusters, estimate.n) == (False, 40, 120)
    assert [d.code for d in found.remarks] == ["CQ952"]
    assert "did not hold after 120 of 324 rows" in " ".join(to_text(found).split())
    assert json.loads(json.dumps(found.to_json()))["estimates"][0]["stopped"]["clusters_used"] == 40


def test_a_width_of_probabilities_that_no_rows_reach_is_refused_before_the_run() -> None:
    text = HEAD + "estimate P(LD > 0) on ioi until width < 1 pp seed 7\n"
    with pytest.raises(DiagnosticError, match=r"CQ947.*if all 324 rows agreed"):
        Runner(keep="off").run(cq.program(text))


def test_python_says_the_same() -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", name="ioi", prompt=row.clean, cluster=row.names)
    NM, LD = gpt2.layer[1].head[3].out @ last, gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    ate = E[LD | do({NM: mean(NM)})] - E[LD]
    built = cq.estimate(ate=ate, on=ioi, until=cq.Until(width=1.2), seed=7).estimates[0]
    read = cq.run(WIDE).estimates[0]
    assert (built.value, built.interval, built.stopped.used) == (read.value, read.interval, read.stopped.used)
    (tested,) = cq.test(ate < logit(-0.5), on=ioi, until=cq.Until(), seed=3).hypotheses
    assert tested.stopped is not None
    assert tested.stopped.met
    with pytest.raises(DiagnosticError, match="CQ603"):
        cq.estimate(ate, on=ioi, until=cq.Until(width=1.2))
