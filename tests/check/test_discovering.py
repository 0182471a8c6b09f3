"""`discover`: the question, what the wiring rules out of it, and the answer on every surface."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import causalcircuit as cq
from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.discovery import Discovering
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import PlanWishes, Session, check_text, plan_program, run_program
from repotools.fixtures import FIXTURES

HEAD = f"""\
model gpt2 = hf("{FIXTURES / "models" / "ioi"}")
node Early = norm(gpt2.layer[0].head[1].out @ last)
node Beside = norm(gpt2.layer[0].head[2].out @ last)
node NM = norm(gpt2.layer[1].head[3].out @ last)
node LD = gpt2.logit[" Mary"] @ last
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of X -> M <- Z, M -> Y, in clusters of two rows."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 400))
    m = x + z + rng.normal(size=400)
    y = m + rng.normal(size=400)
    lines = [
        f"{a:.6f},{b:.6f},{c:.6f},{d:.6f},g{i // 2}" for i, (a, b, c, d) in enumerate(zip(x, z, m, y, strict=True))
    ]
    (tmp_path / "d.csv").write_text("x,z,m,y,g\n" + "\n".join(lines), encoding="utf-8")
    return tmp_path


def asked(text: str, folder: Path) -> Discovering:
    (command,) = check_text(HEAD + text, folder=folder).commands
    assert isinstance(command, Discovering)
    return command


DATA = 'data d = csv("./d.csv") cluster row.g\nnode Y = row.y\n'
ASK = f"{DATA}discover G on d using pc over [row.x, row.z, row.m, Y] with bootstrap(4) seed 7\n"


def test_the_wiring_rules_arrows_out(folder: Path) -> None:
    """Columns belong to the row, which comes first; heads of a layer do not see each other, nor what comes later."""
    fed = DATA.replace(" cluster", " with prompt = row.g cluster")
    command = asked(f"{fed}discover G on d over [Y, Early, Beside, NM, LD] seed 1", folder)
    assert command.reads == ("Early", "Beside", "NM", "LD")
    assert set(command.forbidden) == {
        *((n, "Y") for n in ("Early", "Beside", "NM", "LD")),
        ("Early", "Beside"), ("Beside", "Early"), ("NM", "Early"), ("NM", "Beside"),
        ("LD", "Early"), ("LD", "Beside"), ("LD", "NM"),
    }  # fmt: skip
    assert (command.method, command.alpha, command.resamples, command.seed) == ("pc", 0.01, 100, 1)
    bare = asked(f"{DATA}discover G on d using ges over [row.x, Y] with bootstrap(30) alpha 0.1 seed 2", folder)
    assert (bare.method, bare.alpha, bare.resamples, bare.forbidden) == ("ges", 0.1, 30, ())


def test_the_answer_of_a_run(folder: Path) -> None:
    program = check_text(f'## What drives Y\n{ASK}save G to "./out/g.dot"\n', folder=folder)
    result = run_program(program)
    (found,) = result.discoveries
    assert {str(e) for e in found.edges} == {"row.x -> row.m", "row.z -> row.m", "row.m -> Y"}
    assert (found.n, found.units, found.resamples) == (400, 200, 4)
    assert result.saved == (str(folder / "out" / "g.dot"),)
    dot = Path(result.saved[0]).read_text(encoding="utf-8")
    assert Diagram.read(dot).directed == tuple((e.a, e.b) for e in found.edges)
    assert '[label="100%"]' in dot
    text = to_text(result)
    assert "G on d · 400 rows in 200 clusters" in text
    assert "row.x -> row.m" in text
    assert "PC, tests of independence at the level 0.01; 4 resamples, seed 7" in text
    assert "clusters they are not" in text
    assert "seed 7" not in to_text(result, brief=True)
    assert to_text(result, ascii_only=True).isascii()
    (machine,) = json.loads(to_json(result))["discoveries"]
    assert machine["edges"][0].keys() == {"a", "b", "kind", "there", "forward", "backward", "against"}
    assert (machine["name"], machine["clusters"], machine["variables"]) == ("G", 200, ["row.x", "row.z", "row.m", "Y"])
    assert run_program(program, tests_only=True).discoveries == ()


def test_python_asks_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    rows = cq.data("./d.csv", cluster=cq.row.g, name="d")
    over = {"row.x": cq.row.x, "row.z": cq.row.z, "row.m": cq.row.m, "Y": cq.row.y}
    found = cq.discover(over, on=rows, using="pc", resamples=4, seed=7)
    assert found.discoveries == run_program(check_text(ASK, folder=folder)).discoveries
    named = cq.discover([cq.row.x, cq.row.y], on=rows, using="ges", resamples=2, seed=7, name="H").discoveries[0]
    assert (named.variables, named.name) == (("row.x", "row.y"), "H")
    for code, ask in (
        ("CQ295", lambda: cq.discover([cq.row.x], on=rows, seed=1)),
        ("CQ295", lambda: cq.discover([cq.row.x, cq.row.y], on=rows, using="fci", seed=1)),
        ("CQ603", lambda: cq.discover([cq.row.x, cq.row.y], on=rows)),
    ):
        with pytest.raises(DiagnosticError) as problem:
            ask()
        assert [d.code for d in problem.value.diagnostics] == [code]


def test_columns_that_say_nothing_are_refused_with_their_statement(folder: Path) -> None:
    text = f"{DATA}node S = row.x + row.z\ndiscover G on d over [row.x, row.z, S] seed 7"
    with pytest.raises(DiagnosticError) as problem:
        run_program(check_text(text, folder=folder))
    (found,) = problem.value.diagnostics
    assert found.code == "CQ846"
    assert found.span is not None
    assert found.span.text.startswith("discover G")


def test_a_plan_and_a_prompt(folder: Path) -> None:
    forecast = plan_program(check_text(ASK, folder=folder), PlanWishes())
    (question,) = forecast.data[0].questions
    assert (question.name, question.regime, question.worlds) == ("G", "pc", 0)
    session = Session(folder=folder)
    session.execute(DATA)
    first = session.execute("discover G on d over [row.x, row.m] with bootstrap(2) seed 7")
    assert first.declared == ("G",)
    assert first.result is not None
    assert len(first.result.discoveries) == 1
    later = session.execute('save G to "./g.gv"').result
    assert later is not None
    assert later.saved == (str(folder / "g.gv"),)
    assert session.names()["G"] == "a diagram that is yet to be found"


def test_a_pattern_with_lines_is_refused_as_a_diagram(folder: Path) -> None:
    text = f'{DATA}discover G on d over [row.m, Y] with bootstrap(2) seed 7\nsave G to "./g.dot"\n'
    (found,) = run_program(check_text(text, folder=folder)).discoveries
    assert [e.kind for e in found.edges] == ["--"]
    with pytest.raises(DiagnosticError, match="CQ834"):
        check_text('graph G = load("./g.dot")', folder=folder)
