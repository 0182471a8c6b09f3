"""The Makefile tells what is wrong with the machine before it installs anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what `make venv` reads, and no environment yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=checkout, capture_output=True, text=True, timeout=60)


def test_an_old_python_is_refused(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    result = make(checkout, "venv", "PYTHON=./old-python")
    assert result.returncode != 0
    assert "needs Python 3.11 or later; './old-python' is Python 3.9.2" in result.stdout + result.stderr
    assert not (checkout / ".venv").exists()


def test_a_missing_python_is_named(checkout: Path) -> None:
    result = make(checkout, "venv", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert "'no-such-python' not found" in result.stdout + result.stderr


def test_help_is_the_default_and_installs_nothing(checkout: Path) -> None:
    result = make(checkout)
    assert result.returncode == 0
    assert {"demo", "test", "check", "bench"} <= {line.split()[1] for line in result.stdout.splitlines()}
    assert not (checkout / ".venv").exists()
