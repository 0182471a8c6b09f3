"""`cq runs` and `cq verify`: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.past import PastRun
from causalcircuit.runs import Runner, bytes_of, check, find_run, list_runs, seconds_of
from causalcircuit.store import Ledger, write_record
from causalcircuit.tools import exits, past
from tests.store.conftest import BOTH, HEAD, Ask


@pytest.fixture
def result(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that was run, and its result as JSON."""
    monkeypatch.chdir(folder)
    (folder / "ask.cq").write_text(HEAD + BOTH + "test E[LD] > 0 logit on d\n")
    runner = Runner()
    made = runner.run(check(Path("ask.cq")))
    runner.close()
    (folder / "result.json").write_text(json.dumps(made.to_json()))
    return folder / "result.json"


def code_of(raised: pytest.ExceptionInfo[DiagnosticError]) -> str:
    return raised.value.diagnostics[0].code


def test_runs_are_listed_and_shown(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert past.runs(False) == exits.OK
    shown = capsys.readouterr().out
    assert "ask.cq" in shown
    assert "1 supported" in shown
    (run,) = list_runs()
    assert past.show(run.id[:4], False) == exits.OK
    text = capsys.readouterr().out
    assert all(x in text for x in (run.id, "./models/ioi", "rows.jsonl", "torch", "supported", "threads"))
    assert past.show(run.id, True) == exits.OK
    assert json.loads(capsys.readouterr().out)["result"]["manifest"]["models"]["gpt2"]["dtype"] == "float32"
    assert past.show("zz", False) == exits.BEFORE
    assert "CQ745" in capsys.readouterr().err


def test_a_result_verifies(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert past.verify(str(result), None, True, True) == exits.OK
    said = json.loads(capsys.readouterr().out)
    assert said["verified"] is True
    assert [a["how"] for a in said["answers"]] == ["equal", "equal"]
    assert past.verify(list_runs()[0].id, None, False, True) == exits.OK
    assert capsys.readouterr().out.count("equal") == 2


def test_another_number_or_verdict_differs(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(result.read_text())
    said["estimates"][0]["value"] += 2e-5
    said["hypotheses"][0]["verdict"] = "refuted"
    result.write_text(json.dumps(said))
    assert past.verify(str(result), None, True, True) == exits.NOT_SUPPORTED
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [a["how"] for a in answers] == ["rounding", "differs"]
    assert answers[1]["what"] == "verdict"


def test_changed_rows_are_named(result: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (folder / "rows.jsonl").read_text().splitlines()
    (folder / "rows.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    assert past.verify(str(result), None, False, True) == exits.NOT_SUPPORTED
    said = capsys.readouterr().err
    assert "CQ747" in said
    assert "the data `d`" in said


def test_what_cannot_be_verified_is_said(result: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = folder / "ask.cq"
    program.rename(folder / "moved.cq")
    assert past.verify(str(result), None, False, True) == exits.BEFORE
    assert "--program" in capsys.readouterr().err
    (folder / "moved.cq").write_text("# edited\n")
    assert past.verify(str(result), folder / "moved.cq", False, True) == exits.BEFORE
    assert "changed since" in capsys.readouterr().err
    for content in ("", "{}", '{"manifest": 3}', "[]"):
        result.write_text(content)
        assert past.verify(str(result), None, False, True) == exits.BEFORE
        assert "CQ746" in capsys.readouterr().err
    assert past.verify(str(folder / "no.json"), None, False, True) == exits.BEFORE


def test_an_unfinished_run_is_on_record(ledger: Ledger, folder: Path) -> None:
    write_record(ledger, PastRun("abcd1234", 0.0, "a.cq", str(folder), ""))
    ledger.close()
    assert [r.state for r in list_runs()] == ["running"]
    assert past.verify("abcd", None, False, True) == exits.BEFORE


def test_cleaning_asks_and_says(ask: Ask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ask(BOTH)
    assert past.clean(past.Room(older="1d", sure=True)) == exits.OK
    assert "nothing to remove" in capsys.readouterr().err
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert past.clean(past.Room(everything=True)) == exits.OK
    assert "to remove" in capsys.readouterr().err
    assert len(list_runs()) == 1
    assert past.clean(past.Room(everything=True, sure=True)) == exits.OK
    assert "removed" in capsys.readouterr().err
    assert list_runs() == []


def test_no_store_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", "off")
    with pytest.raises(DiagnosticError) as raised:
        list_runs()
    assert code_of(raised) == "CQ740"


def test_no_run_is_said(store: Path) -> None:
    with pytest.raises(DiagnosticError) as raised:
        find_run("")
    assert code_of(raised) == "CQ745"


def test_ages_and_sizes() -> None:
    assert [seconds_of(t) for t in ("90m", "1.5h", "3", "x")] == [5400, 5400, None, None]
    assert [bytes_of(t) for t in ("1 KiB", "2gb", "7B", "7")] == [1024, 2 * 10**9, 7, None]


def test_a_store_that_fails_is_remarked_in_the_result(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(tmp_path / "file" / "store"))
    made = ask(BOTH)
    assert [d.code for d in made.diagnostics if d.code.startswith("CQ74")] == ["CQ740"]
    assert made.estimates[0].value is not None
