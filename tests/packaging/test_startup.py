"""Commands that load no model load no heavy library, and answer at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.startup import hundred_lines

HEAVY = {"torch", "transformers", "pandas", "pgmpy", "dowhy"}

# Runs a statement, whatever it raises to leave, and prints every module that was loaded by then.
PROBE = """
import sys
sys.argv = {argv!r}
try:
    {statement}
finally:
    print("LOADED", *sorted({{m.partition(".")[0] for m in sys.modules}}))
"""
CLI = "from causalcircuit.tools.cli import main; main()"


def loaded(statement: str, *arguments: str, cwd: Path) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `statement` with `cq arguments` as argv."""
    code = PROBE.format(argv=["cq", *arguments], statement=statement)
    result = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    last = result.stdout.splitlines()[-1].split()
    assert last[0] == "LOADED"
    return set(last)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "hundred.cq"
    path.write_text(hundred_lines())
    return path


def test_the_probe_sees_a_heavy_library(tmp_path: Path) -> None:
    assert "pandas" in loaded("import pandas", cwd=tmp_path)


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    modules = loaded("import causalcircuit; dir(causalcircuit)", cwd=tmp_path)
    assert "causalcircuit" in modules
    assert not modules & (HEAVY | {"numpy", "lark", "rich", "click"})


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["explain", "CQ201"]])
def test_help_is_light(arguments: list[str], tmp_path: Path) -> None:
    assert not loaded(CLI, *arguments, cwd=tmp_path) & HEAVY


def test_check_is_light(program: Path) -> None:
    modules = loaded(CLI, "check", str(program), cwd=program.parent)
    assert "lark" in modules
    assert not modules & HEAVY


def test_check_of_folders_saved_data_and_chats_is_light() -> None:
    good = Path(__file__).parents[1] / "fixtures" / "good"
    for name in ("folders.cq", "chats.cq"):
        assert not loaded(CLI, "check", str(good / name), cwd=good) & {*HEAVY, "datasets"}
