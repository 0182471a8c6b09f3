"""`check X _||_ Y | Z in G`: the text, Python and the room of diagrams say the same on every surface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit.causal import Diagram, independences
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.independence import Independent
from causalcircuit.report import to_json, to_text
from causalcircuit.runs import Session, check_text, run_program
from repotools.fixtures import FIXTURES

SHOP = "graph G { X -> M -> Y, X <-> Z, Z -> Y, latent U, U -> M, U -> S, S -> V }\n"


def asked(text: str) -> tuple[Independent, ...]:
    return check_text(SHOP + text, folder=FIXTURES).independences


def codes(text: str) -> list[str]:
    try:
        return [d.code for d in check_text(text, folder=FIXTURES).warnings]
    except DiagnosticError as problem:
        return [d.code for d in problem.diagnostics]


def test_sides_conditions_and_commas() -> None:
    found = asked("check X _||_ Y | M, Z, S, [X, Z] _||_ S, V _||_ [X, M] | [S, U],\n  Z _||_ M | X in G")
    assert [(i.a, i.b, i.given, i.implied) for i in found] == [
        (("X",), ("Y",), ("M", "Z", "S"), True),
        (("X", "Z"), ("S",), (), True),
        (("V",), ("X", "M"), ("S", "U"), True),
        (("Z",), ("M",), ("X",), True),
    ]
    (denied,) = asked("check X _||_ S | V, M in G")
    assert (denied.implied, denied.path) == (False, "X -> M <- U -> S")
    assert denied.instead == "X _||_ S"


def test_what_the_diagram_implies_is_implied_here() -> None:
    """The list of all testable independences, written out by the library and read by the language."""
    diagram = Diagram.read("X -> M -> Y, X <-> Z, Z -> Y, M -> S, W")
    lines = ", ".join(map(str, independences(diagram)))
    program = check_text(f"graph G {{ X -> M -> Y, X <-> Z, Z -> Y, M -> S, W }}\ncheck {lines} in G")
    assert [str(i) for i in program.independences] == [str(i) for i in independences(diagram)]
    assert len(program.independences) > 5
    assert all(i.implied for i in program.independences)
    assert program.warnings == ()


def test_python_asks_the_same() -> None:
    graph = cq.graph("X -> M -> Y, X <-> Z, Z -> Y", name="G", X=cq.row.easy)
    head = 'data ioi = jsonl("./data/ioi.jsonl")\nnode X = row.easy\ngraph G { X -> M -> Y, X <-> Z, Z -> Y }\n'
    result = cq.independent(graph["X"], "Y", given=["M", graph["Z"]], diagram=graph)
    assert result.independences == check_text(f"{head}check X _||_ Y | M, Z in G", folder=FIXTURES).independences
    assert result.diagnostics == ()
    denied = cq.independent(["X", "Z"], "Y", given="M", diagram=graph)
    assert [d.code for d in denied.diagnostics] == ["CQ844"]
    assert denied.independences[0].path == "Z -> Y"
    for code, ask in (
        ("CQ832", lambda: cq.independent("X", "Q", diagram=graph)),
        ("CQ832", lambda: cq.independent(cq.row.cost, "X", diagram=graph)),
        ("CQ833", lambda: cq.independent("X", "Y", given="X", diagram=graph)),
    ):
        with pytest.raises(DiagnosticError) as problem:
            ask()
        assert [d.code for d in problem.value.diagnostics] == [code]


def test_reports_and_machines() -> None:
    program = check_text(f"{SHOP}## Refutable\ncheck X _||_ S, X _||_ Y | M in G")
    result = run_program(program)
    text = to_text(result)
    assert "Refutable" in text
    assert "X _||_ S · implied" in text
    assert "X <-> Z -> Y" in text
    assert "open path" not in to_text(result, brief=True)
    assert to_text(result, ascii_only=True).isascii()
    one, other = json.loads(to_json(result))["independences"]
    assert (one["implied"], one["path"], one["name"]) == (True, None, "X _||_ S")
    assert (other["implied"], other["path"], other["separator"]) == (False, "X <-> Z -> Y", ["Z", "M"])
    assert run_program(program, tests_only=True).independences == ()


def test_a_prompt_answers_each_statement_once() -> None:
    session = Session(folder=FIXTURES)
    session.execute("graph G { X -> Y }")
    first, second = (session.execute("check X _||_ Y in G") for _ in range(2))
    assert first.result is not None
    assert second.result is not None
    assert [len(r.independences) for r in (first.result, second.result)] == [1, 1]
    assert [d.code for d in second.diagnostics] == ["CQ844"]
    assert session.execute("let check = 3").declared == ("check",)


def test_files_in_use_declare_and_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "a.cq").write_text("graph G { X -> Y }\ncheck X _||_ Y in G\n", encoding="utf-8")
    program = check_text('use "./a.cq" as a\n', folder=tmp_path)
    assert (program.independences, program.warnings) == ((), ())


def test_bars_of_other_languages_are_still_told() -> None:
    assert codes("let a = 1 || 2") == ["CQ106"]
    assert codes("graph G { X -> Y, Z }\ncheck X _||_ Z || Y in G") == ["CQ106"]
    assert codes("graph G { X, Y_, _Y }\ncheck X _||__Y in G") == []
