"""Claims tested twice, the pick of many, and families that were changed after they were run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from causalcircuit.check.across import same_rows
from causalcircuit.query import DataRef, Interval, Result, Split, Tested
from causalcircuit.query.past import PastRun
from causalcircuit.runs import check_text
from causalcircuit.runs.reruns import changed_since, with_reruns
from causalcircuit.store import Ledger, write_record

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi")
data ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 50/50 seed 7
data men = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names where row.io != "nobody"
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let effect(H) = E[LD | do(H = 0)] - E[LD]
hypothesis a { expect E[LD] > 0 logit }
hypothesis b { expect effect(NM) < 0 logit }
hypothesis c { expect effect(NM) < -1 logit }
family f = [a, b]
family g = [b, c]
family h = [c]
"""
SWEEP = "estimate effect(H) on ioi.train for H in gpt2.layer[1].head[*].out @ last\n"


def told(text: str) -> list[tuple[str, str]]:
    from causalcircuit.diagnostics import DiagnosticError

    try:
        found = check_text(HEAD + text, "t.cq", EXAMPLES).warnings
    except DiagnosticError as problem:
        found = problem.diagnostics
    return [(d.code, d.severity) for d in found]


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("test f on ioi\ntest g on ioi\n", "error"),
        ("test f on ioi.test\ntest g on ioi\n", "error"),
        ("test f on ioi\ntest f on ioi with student\n", "warning"),
        ("test f on ioi\ntest b on ioi\n", "warning"),
    ],
)
def test_a_claim_has_one_verdict_on_the_same_rows(text: str, severity: str) -> None:
    assert told(text) == [("CQ929", severity)]


@pytest.mark.parametrize(
    "text",
    [
        "test f on ioi\ntest h on ioi\n",
        "test f on ioi.train\ntest g on ioi.test\n",
        "test f on ioi\ntest g on men\n",  # whether these share rows is not known
        "test f on ioi\n" + SWEEP,
    ],
)
def test_families_that_share_no_claim_or_no_row_do_not_overlap(text: str) -> None:
    assert told(text) == []


def test_the_pick_of_many_is_warned_of_on_the_same_rows_alone() -> None:
    assert told(SWEEP + "estimate effect(NM) on ioi.train\n") == [("CQ930", "warning")]
    assert told(SWEEP + "test b on ioi.train\n") == [("CQ930", "warning")]
    assert told(SWEEP + "estimate effect(NM) on ioi\n") == [("CQ930", "warning")]
    assert told(SWEEP + "estimate effect(NM) on ioi.test\n") == []
    assert told(SWEEP + "estimate E[LD] on ioi.train\n") == []
    assert told("estimate effect(NM) on ioi.train\n" + SWEEP) == []  # it was not picked from what came later


def test_parts_of_one_split_share_no_row() -> None:
    whole = DataRef("d", "jsonl", Path("/d"), split=Split(0.5, 7))
    one, other = (replace(whole, split=Split(0.5, 7, p)) for p in ("train", "test"))  # type: ignore[arg-type]
    assert not same_rows(one, other)
    assert same_rows(one, whole)
    assert same_rows(one, replace(one, name="e"))
    assert not same_rows(one, replace(other, split=Split(0.5, 8, "test")))  # not surely


# ---- runs on record


def claim(name: str = "b", region: str = "< 0 logit", **more: Any) -> Tested:
    made = Tested(name, "supported", -1.0, Interval(-2, -0.5), 0.01, 0.02, region, "logit", 9, 3, family="f", data="d")
    return replace(made, correction="holm", estimand="E[Y]", **more)


def result(*claims: Tested, rows: str = "abc") -> Result:
    return Result(hypotheses=claims, manifest={"data": {"d": {"sha256": rows}}})


def past(of: Result, **more: Any) -> PastRun:
    return replace(PastRun("1f", 1e9, "t.cq", "/home", "", state="done", result=of.to_json()), **more)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (result(claim(region="< 1 logit")), "`b` was E[Y] < 0 logit"),
        (result(claim(alpha=0.1)), "alpha was 0.05"),
        (result(claim(), claim("a")), "`a` was not in it"),
        (result(claim("a")), "`b` was in it"),
    ],
)
def test_a_family_that_was_changed_after_a_run_is_named(now: Result, said: str) -> None:
    [found] = changed_since(now, "/home", [past(result(claim()))])
    assert (found.code, found.severity) == ("CQ940", "warning")
    assert said in found.message
    assert "run 1f" in found.message


def test_what_is_no_change() -> None:
    now, before = result(claim(region="< 1 logit")), past(result(claim()))
    assert changed_since(now, "/home", [past(now)]) == []
    assert changed_since(now, "/elsewhere", [before]) == []
    assert changed_since(now, "/home", [replace(before, state="failed")]) == []
    assert changed_since(result(claim(region="< 1 logit"), rows="new"), "/home", [before]) == []
    assert changed_since(result(claim(region="< 1 logit", standing="confirmatory")), "/home", [before]) == []
    assert changed_since(result(claim(region="< 1 logit", family="E[Y] < 1")), "/home", [before]) == []
    assert len(changed_since(now, "/home", [before, past(now), before])) == 1  # once


def test_runs_on_record_are_looked_at(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    program = check_text("", "t", EXAMPLES)
    before = past(result(claim()), folder=str(Path.cwd()))
    try:
        write_record(ledger, before)
        now = result(claim(region="< 1 logit"))
        assert [d.code for d in with_reruns(now, program, ledger).diagnostics] == ["CQ940"]
        assert with_reruns(result(claim()), program, ledger) == result(claim())
        assert with_reruns(now, program, None) == now
    finally:
        ledger.close()
