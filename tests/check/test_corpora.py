"""The corpora: what is said of each file stands beside it.  `python -m repotools.fixtures` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from causalcircuit.check import check_file, examine
from causalcircuit.diagnostics import DiagnosticError
from repotools.fixtures import FIXTURES, check, outcome, programs

BAD, GOOD = programs("bad"), programs("good")
CODE = re.compile(r"^(?:error|warning)\[(CQ\d{3})\]", re.MULTILINE)
ROOMS = Path(__file__).parents[2] / "causalcircuit"


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", [*GOOD, *BAD], ids=name)
def test_a_program_is_answered_as_it_was(path: Path) -> None:
    assert outcome(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_a_good_program_is_sound(path: Path) -> None:
    program = check_file(path)
    assert program.commands or program.identifications or program.independences
    assert path.stem.endswith("_warning") == bool(program.warnings)


@pytest.mark.parametrize("path", BAD, ids=name)
def test_a_bad_program_is_told_what_is_wrong(path: Path) -> None:
    text = path.with_suffix(".txt").read_text(encoding="utf-8")
    said = text[CODE.search(text).start() :].replace("did you mean", "")  # type: ignore[union-attr]
    assert not re.search(r"\b[Yy]our?s?\b|\bNone\b|<class|Traceback", said)


@pytest.mark.parametrize("path", BAD, ids=name)
def test_every_error_shows_a_way_out(path: Path) -> None:
    try:
        found = check(path).warnings
    except DiagnosticError as problem:
        found = problem.diagnostics
    # A parser's complaint may have nothing to add; a rule of meaning always knows better.
    assert [d.code for d in found if not d.help and d.code != "CQ101"] == []
    assert all(d.span is not None for d in found)


def test_no_text_is_left_over() -> None:
    for kind in ("good", "bad"):
        folder = FIXTURES / kind
        assert {p.stem for p in folder.glob("*.txt")} == {p.stem for p in folder.glob("*.cq")}


def test_every_code_of_the_language_has_a_bad_program() -> None:
    raised = {
        code
        for room in ("syntax", "check", "rows")
        for file in (ROOMS / room).rglob("*.py")
        for code in re.findall(r'"(CQ\d{3})"', file.read_text(encoding="utf-8"))
    }
    shown = {c for p in BAD for c in CODE.findall(p.with_suffix(".txt").read_text(encoding="utf-8"))}
    assert raised - shown == set()
    assert len(raised) > 60


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_the_rules_say_the_same_of_the_objects_alone(path: Path) -> None:
    """Python builds the same queries: without a text the rules find the same, which is little."""
    program = check(path)
    found = [d.code for c in program.commands for d in examine(c, program.models)]
    assert sorted(set(found)) == sorted({d.code for d in program.warnings})
