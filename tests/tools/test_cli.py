"""The commands of `cq`: what goes to which stream, and the exit codes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import causalcircuit
from causalcircuit.diagnostics import codes
from causalcircuit.tools.cli import _guarded, group
from causalcircuit.tools.options import State
from tests.tools.programs import BAD, CLAIMS, CQ, ESTIMATE, HEAD, Ran, alone, cq

Cq = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Cq:
    return lambda *arguments, **more: cq(monkeypatch, *arguments, **more)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "a.cq"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_help_has_examples_for_every_command(run: Cq) -> None:
    assert "Exit codes:" in run("--help").out
    for name in group.commands:
        done = run(name, "--help")
        assert done.code == 0
        assert f"cq {name}" in done.out.split("Examples:")[1]


def test_version(run: Cq) -> None:
    assert causalcircuit.__version__ in run("--version").out


def test_run_prints_results_alone_on_stdout(run: Cq, program: Callable[[str], Path]) -> None:
    done = run("run", program(ESTIMATE))
    assert done.code == 0
    assert re.search(r"ate +-\d\.\d+ +logit +\[-", done.out)
    assert "where" in done.out
    assert "\x1b" not in done.out + done.err
    assert max(map(len, done.out.splitlines())) <= 80


def test_quiet_keeps_the_numbers(run: Cq, program: Callable[[str], Path]) -> None:
    done = run("run", program(ESTIMATE), "--quiet")
    assert done.code == 0
    assert re.search(r"ate +-\d", done.out)
    assert "where" not in done.out
    assert len(done.out.splitlines()) == 4


def test_json_says_what_the_text_says(run: Cq, program: Callable[[str], Path], tmp_path: Path) -> None:
    path = program(ESTIMATE)
    whole = json.loads(run("run", path, "--format", "json", "--rows", tmp_path / "rows").out)
    assert whole["schema"] == 1
    ate, level = whole["estimates"]
    assert (ate["name"], level["name"]) == ("ate", "E[LD]")
    assert (ate["n"], ate["unit"], ate["level"], ate["regime"]) == (40, "logit", 0.95, "intervention")
    assert ate["interval"][0] < ate["value"] < ate["interval"][1] < 0
    assert f"{ate['value']:.1f}" in run("run", path, "-q").out
    # The rows are those that the estimate was made of.
    [file] = (tmp_path / "rows").iterdir()
    table = pq.read_table(file).to_pandas()
    assert list(table.columns) == ["row", "cluster", "world", "draw", "readout", "value", "text"]
    table["value"] *= table["readout"].astype(str).str.contains("row.io").map({True: 1, False: -1})
    means = table.groupby("world", observed=True)["value"].sum() / 40
    assert means["do()"] == pytest.approx(level["value"])
    assert means.drop("do()").item() - means["do()"] == pytest.approx(ate["value"])


def test_a_program_from_standard_input(run: Cq) -> None:
    done = run("run", "-", "--format", "json", stdin=ESTIMATE)
    assert done.code == 0
    assert len(json.loads(done.out)["estimates"]) == 2
    bad = run("check", "-", stdin=BAD)
    assert bad.code == 2
    assert "<stdin>:" in bad.err


def test_check_reports_everything_at_once(run: Cq, program: Callable[[str], Path], tmp_path: Path) -> None:
    good = tmp_path / "good.cq"
    good.write_text(ESTIMATE)
    done = run("check", program(BAD), good)
    assert done.code == 2
    assert done.out == f"{good}: sound; 1 model, 2 estimates, 0 claims\n"
    assert "`LDX`" in done.err
    assert "`MN`" in done.err
    assert done.err.endswith("2 errors\n")


@pytest.mark.parametrize("command", ["run", "test", "check"])
def test_errors_as_json_leave_stderr_empty(command: str, run: Cq, program: Callable[[str], Path]) -> None:
    done = run(command, program(BAD), "--format", "json")
    assert (done.code, done.err) == (2, "")
    whole = json.loads(done.out)
    assert (whole["schema"], whole["estimates"], whole["hypotheses"]) == (1, [], [])
    assert {d["span"]["line"] for d in whole["diagnostics"]} == {6, 7}


@pytest.mark.parametrize(
    ("right", "command", "code"),
    [("> 1", "test", 0), ("< 1", "test", 1), ("< 1", "run", 0), ("within [-1000 logit, 5000]", "test", 2)],
)
def test_only_cq_test_fails_for_a_claim(
    right: str, command: str, code: int, run: Cq, program: Callable[[str], Path]
) -> None:
    done = run(command, program(CLAIMS.format(right=right)), "--format", "json")
    assert done.code == code
    whole = json.loads(done.out)
    if code < 2:
        assert [h["verdict"] for h in whole["hypotheses"]] == ["supported" if right == "> 1" else "refuted"]
        assert len(whole["estimates"]) == (1 if command == "run" else 0)


def test_an_unnamed_claim_decides_no_exit_code(run: Cq, program: Callable[[str], Path]) -> None:
    done = run("test", program(HEAD + "test E[LD] < 1 logit on ioi\n"))
    assert done.code == 0
    assert "refuted" in done.out


def test_nothing_to_test_is_no_success(run: Cq, program: Callable[[str], Path]) -> None:
    assert (done := run("test", program(ESTIMATE))).code == 2
    assert "CQ391" in done.err
    assert (done := run("run", program(HEAD))).code == 0
    assert "CQ390" in done.err
    assert done.out == ""


@pytest.mark.parametrize("file", ["nono.cq", "."])
def test_a_file_that_is_none(file: str, run: Cq, tmp_path: Path) -> None:
    done = run("run", tmp_path / file)
    assert done.code == 2
    assert "CQ230" in done.err


def test_rows_that_cannot_be_written_fail_after_the_answer(
    run: Cq, program: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "rows" / "ioi.parquet").mkdir(parents=True)
    done = run("run", program(ESTIMATE), "--rows", tmp_path / "rows")
    assert done.code == 3
    assert "ate" in done.out
    assert "CQ720" in done.err


def test_explain(run: Cq) -> None:
    page = run("explain", "CQ390")
    assert page.out.startswith("# CQ390: nothing is asked")
    for spelling in ("cq390", "390", "warning[CQ390]"):
        assert run("explain", spelling).out == page.out
    unknown = run("explain", "CQ999")
    assert (unknown.code, unknown.out) == (2, "")
    [near] = re.findall(r"did you mean `(CQ\d{3})`", unknown.err)
    assert near in codes()
    every = run("explain").out.splitlines()
    assert [line.split()[0] for line in every] == list(codes())
    assert all(len(line.split()) > 2 for line in every)


def test_explain_opens_definitions(run: Cq) -> None:
    page = run("explain", "NIE")
    assert page.out.startswith("# NIE(Y, treated, control, M): the natural indirect effect")
    assert "let NIE(Y, treated, control, M) = E[Y | control, do(M = (M | treated))] - E[Y | control]" in page.out
    listed = run("explain", "std").out.splitlines()
    assert any(line.startswith("PNS ") for line in listed)
    unknown = run("explain", "NEI")
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean `NIE`" in unknown.err


def test_a_wrong_command_line(run: Cq) -> None:
    for arguments in (["rnu"], ["run"], ["run", "a.cq", "--format", "xml"], ["check"]):
        done = run(*arguments)
        assert done.code == 2
        assert done.err.startswith("Usage: cq")


@pytest.mark.parametrize(("debug", "machine"), [(False, False), (True, False), (False, True)])
def test_a_fault_inside_is_one_line(debug: bool, machine: bool, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise ZeroDivisionError("two\nlines")

    assert _guarded(fails, State(debug, machine)) == 70
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("error[CQ799]: a fault inside CausalCircuit")
    assert "two lines" in said.err
    assert ("Traceback" in said.err) == debug
    assert debug or len(said.err.splitlines()) == 1
    assert (said.out == "") != machine
    assert not machine or json.loads(said.out)["diagnostics"][0]["code"] == "CQ799"


def test_debug_is_known_before_and_after_the_command() -> None:
    for arguments in (["--debug", "explain", "CQ390"], ["explain", "--debug", "CQ390"]):
        state = State()
        assert group.main(arguments, standalone_mode=False, obj=state) == 0
        assert state.debug


def test_a_reader_that_leaves_is_no_error() -> None:
    # Reading one line of many, then closing: the next write finds no reader.
    code = f"""
import subprocess, sys
process = subprocess.Popen([{str(CQ)!r}, "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
process.stdout.close()
sys.exit((process.wait(), print(process.stderr.read().decode()))[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 141
    assert done.stdout.strip() == ""


def test_a_terminal_of_another_encoding(program: Callable[[str], Path]) -> None:
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    path = program(HEAD + 'node Ä = gpt2.logit["é"] @ last\n')
    done = alone("check", path, env=ascii_only)
    assert done.returncode == 2
    assert "\\xc4" in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stdout + done.stderr).isascii()


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">/dev/full"])
def test_closed_or_full_streams_are_no_fault(program: Callable[[str], Path], redirected: str) -> None:
    path = program("let a = 1\n")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" check "$1" {redirected}', str(CQ), str(path)], capture_output=True, text=True
    )
    full = redirected == ">/dev/full"
    assert done.returncode == (3 if full else 0)
    assert done.stderr == ("the output cannot be written: No space left on device\n" if full else "")


def test_a_folder_for_rows_is_tried_before_the_run(run: Cq, program: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("run", program(ESTIMATE), "--rows", tmp_path / "file" / "rows")
    assert done.code == 2
    assert "CQ720" in done.err
    assert done.out == ""
