"""`--power`: what a pilot says of verdicts, in the terminal, as JSON and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import E, do, last, logit, mean, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.report.forecast import forecast_text
from tests.tools.programs import EXAMPLES, HEAD
from tests.tools.programs import cq as command

CLAIMS = (
    HEAD
    + """\
let effect = E[LD | do(NM = mean(NM))] - E[LD]
hypothesis strong "It matters" { expect effect < -0.5 logit }
hypothesis weak "It matters little" { expect effect within [-0.1 logit, 0.1 logit] }
family both = [strong, weak] correct holm
test both on ioi
estimate effect, abs(effect) on ioi
"""
)


def test_verdicts_are_as_likely_as_the_run_shows() -> None:
    """The effect is far from both ends: a pilot tells the verdicts of the run."""
    found = cq.plan(CLAIMS, pilot=20, power=0.9)
    strong, weak, effect, corner = (q.power for q in found.data[0].questions)
    assert strong is not None
    assert weak is not None
    assert effect is not None
    assert corner is not None
    verdicts = {h.name: h.verdict for h in cq.run(CLAIMS).hypotheses}
    assert verdicts == {"strong": "supported", "weak": "refuted"}
    chances = (strong.supported, weak.refuted, effect.supported)
    assert all(chance is not None and chance > 0.7 for chance in chances)
    assert (weak.supported, weak.detectable) == (0, ())  # no interval of these rows is so narrow
    assert strong.level == pytest.approx(0.95)  # of one of two claims, one-sided
    assert strong.counted == "clusters"
    assert strong.needed is not None
    assert strong.needed_at_worst is not None
    assert 35 < strong.needed <= strong.needed_at_worst  # 35 are not enough for 90%: the chance is 78%
    assert strong.detectable[0] < -0.5
    assert corner.supported is None
    assert "corner" in corner.why
    text = forecast_text(found)
    assert "clusters for" in text
    assert "unknown" in text
    assert max(map(len, text.splitlines())) <= 80


def test_stored_outcomes_tell_power_and_nothing_is_known_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(tmp_path / "store"))
    path = tmp_path / "a.cq"
    path.write_text(CLAIMS)
    before = json.loads(command(monkeypatch, "plan", str(path), "--power", "0.8", "--json").out)
    assert {q["power"]["supported"] for q in before["data"][0]["questions"]} == {None}
    cq.run(path)
    (data,) = json.loads(command(monkeypatch, "plan", str(path), "--power", "0.8", "--json").out)["data"]
    power = data["questions"][0]["power"]
    assert power["supported"] + power["refuted"] + power["inconclusive"] == pytest.approx(1)
    assert "stored outcomes" in power["why"]


def test_python_asks_of_a_claim() -> None:
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean, cluster=row.names)
    NM, LD = gpt2.layer[1].head[3].out @ last, gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    (power,) = cq.power(E[LD | do({NM: mean(NM)})] - E[LD] < logit(-0.5), on=ioi, pilot=12)
    assert power.region == "< -0.5 logit"
    assert power.needed is not None
    assert power.rows(power.needed) == 3 * power.needed


@pytest.mark.parametrize("said", ["0", "1", "80", "-1"])
def test_a_power_that_is_none(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cq"
    path.write_text(CLAIMS)
    done = command(monkeypatch, "plan", str(path), "--power", said)
    assert done.code == 2
    assert "error[CQ945]" in done.err


def test_a_bootstrap_of_usual_size_that_cannot_reach_its_family_is_refused_before_the_run() -> None:
    """144 two-sided claims at .05 need 5,760 resamples; 2,000 are the default."""
    sweep = "for H in gpt2.layer[*].head[*].out @ last for K in gpt2.layer[*].head[*].out @ first"
    text = HEAD + f"test E[LD | do(H = 0, K = 0)] - E[LD] outside [-1 logit, 1 logit] on ioi {sweep} "
    with pytest.raises(DiagnosticError, match="CQ606"):
        cq.program(text + "correct holm with percentile seed 7\n")
