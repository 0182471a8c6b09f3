"""The README tells the truth: its program checks, its Python runs, its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from causalcircuit.runs import check_text

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_its_program_is_sound() -> None:
    (program,) = blocks("cq")
    assert len(check_text(program, folder=ROOT / "examples").commands) == 1


def test_its_python_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where a reader stands
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert "Interval(" in capsys.readouterr().out


def test_its_commands_are_those_of_the_tool() -> None:
    commands = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    named = {c[1] for c in commands if c[0] == "cq"}
    assert named == {"run", "test", "check", "plan", "sites", "explain", "repl", "runs", "verify"}
    files = [w for c in commands for w in c if w.startswith("examples/")]
    assert files
    assert all((ROOT / f).exists() for f in files)
    targets = {c[1] for c in commands if c[0] == "make"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{t}:", makefile, re.MULTILINE) for t in targets)


def test_it_names_every_example() -> None:
    assert [f.name for f in (ROOT / "examples").glob("*.cq") if f"](examples/{f.name})" not in README] == []


def test_explain_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "causalcircuit", "explain", "CQ201"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "an unknown name" in done.stdout


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [x for x in links if not (ROOT / x).exists()] == []
