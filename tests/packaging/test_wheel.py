"""The built wheel works by itself: installed into an empty environment, used from outside the clone."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import causalcircuit

ROOT = Path(__file__).parents[2]
VISITS = '{"x": 0, "m": 1.5, "y": 2.5}\n{"x": 1, "m": 0.5, "y": 3.5}\n'
PROGRAM = """\
data visits = jsonl("visits.jsonl")
node X = row.x
node M = row.m
node Y = row.y
graph observed { X -> M, M -> Y, X <-> Y }
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of this environment but the variables that every program needs."""
    home = {"HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | home, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    result = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def make_environment(folder: Path) -> Path:
    """Create an empty environment and return its interpreter."""
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def install(python: Path, wheel: Path, *options: str) -> None:
    result = run(sys.executable, "-m", "pip", "--python", python, "install", "-q", *options, wheel, cwd=wheel.parent)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and borrows its dependencies from this one.

    A path in a .pth file is added without reading the .pth files *there*, so the editable install of the
    clone stays invisible.
    """
    python = make_environment(tmp_path_factory.mktemp("environment") / "venv")
    [wheel] = built.glob("*.whl")
    install(python, wheel, "--no-deps", "--no-index")
    [site] = python.parents[1].glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def check_works(python: Path, folder: Path) -> None:
    """`cq` answers from `folder`, far from the clone, with the package and the grammar of the wheel."""
    cq = python.parent / "cq"
    version = run(cq, "--version", cwd=folder)
    assert causalcircuit.__version__ in version.stdout, version.stderr
    where = run(python, "-c", "import causalcircuit; print(causalcircuit.__file__)", cwd=folder)
    assert Path(where.stdout).is_relative_to(python.parents[1])

    (folder / "visits.jsonl").write_text(VISITS)
    (folder / "good.cq").write_text(PROGRAM)
    good = run(cq, "check", "good.cq", cwd=folder)
    assert good.returncode == 0, good.stdout + good.stderr
    (folder / "bad.cq").write_text(PROGRAM + "let a = E[Y | do(NN = 0)]\n")
    bad = run(cq, "check", "bad.cq", cwd=folder)
    assert bad.returncode == 2
    assert "bad.cq:6" in bad.stdout + bad.stderr
    assert "Traceback" not in bad.stdout + bad.stderr

    explained = run(cq, "explain", "CQ201", cwd=folder)
    assert explained.stdout.startswith("# CQ201"), explained.stderr


def test_the_wheel_holds_the_grammar_and_the_type_marker(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    grammars = {f"causalcircuit/grammar/{path.name}" for path in (ROOT / "grammar").glob("*.lark")}
    assert grammars
    assert grammars | {"causalcircuit/py.typed"} <= set(names)
    # Nothing of the repository lands beside the package.
    assert {name.partition("/")[0].split("-")[0] for name in names} == {"causalcircuit"}


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "constraints.txt", "causalcircuit/__init__.py"} <= names
    assert {f"grammar/{path.name}" for path in (ROOT / "grammar").glob("*.lark")} <= names


def test_cq_works_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    check_works(installed, tmp_path)


@pytest.mark.slow
def test_cq_works_with_nothing_but_what_pip_brings(built: Path, tmp_path: Path) -> None:
    """The same without borrowing: minutes, and an index to install from."""
    python = make_environment(tmp_path / "venv")
    [wheel] = built.glob("*.whl")
    install(python, wheel, "-c", str(ROOT / "constraints.txt"))
    check_works(python, tmp_path)

    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    answer = run(python.parent / "cq", "run", "examples/ioi.cq", "--format", "json", cwd=tmp_path)
    [estimate] = json.loads(answer.stdout)["estimates"]
    low, high = estimate["interval"]
    assert low < estimate["value"] < high < -0.5  # the name mover moves the name
