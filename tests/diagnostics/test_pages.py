"""Every code has a page, every page a code; the examples of the language's pages fail and pass as they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError, codes, page, title
from causalcircuit.runs import check_text
from repotools.fixtures import FIXTURES

PACKAGE = Path(__file__).parents[2] / "causalcircuit"
FENCE = re.compile(r"```cq\n(.*?)```", re.DOTALL)
CODE = re.compile(r'"(CQ\d{3})"')


def raised(*rooms: str) -> set[str]:
    files = (f for room in rooms for f in (PACKAGE / room).rglob("*.py"))
    return {code for file in files for code in CODE.findall(file.read_text(encoding="utf-8"))}


# What is known before a model is loaded. The pages of the engine's codes are run in tests/engine.
CHECKED = sorted(c for c in raised("syntax", "check", "rows", "inference") & set(codes()) if c < "CQ700")


def section(code: str, name: str) -> str:
    return (page(code) or "").partition(f"## {name}")[2].partition("\n## ")[0].strip()


def said(text: str) -> set[str]:
    """The codes of the errors of a text, or of its warnings where it has none."""
    try:
        return {d.code for d in check_text(text, folder=FIXTURES).warnings}
    except DiagnosticError as problem:
        return {d.code for d in problem.diagnostics if d.is_error}


def test_every_code_that_is_raised_has_a_page_and_every_page_is_of_a_code() -> None:
    assert raised(".") == set(codes())


def test_every_code_is_provoked_by_a_bad_program_or_a_test() -> None:
    """Bad programs are those of what is known from a text; the others need models, files or machines."""
    bad = "".join(p.read_text(encoding="utf-8") for p in (FIXTURES / "bad").glob("*.txt"))
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parents[1].rglob("*.py"))
    assert [code for code in codes() if f"[{code}]" not in bad and code not in tests] == []


@pytest.mark.parametrize("code", codes())
def test_a_page_is_whole(code: str) -> None:
    text = page(code)
    assert text is not None
    assert text.startswith(f"# {code}: {title(code)}\n\n")
    assert 5 < len(title(code)) < 70
    assert section(code, "Example")
    assert section(code, "Way out")
    cause = text.partition("## Example")[0].partition("\n")[2].strip()
    assert len(cause) > 20
    assert not re.search(r"\b[Yy]our?s?\b", text)


@pytest.mark.parametrize("code", [c for c in CHECKED if FENCE.search(section(c, "Example"))])
def test_the_example_raises_the_code(code: str) -> None:
    (text,) = FENCE.findall(section(code, "Example"))
    assert said(text) == {code}


@pytest.mark.parametrize("code", [c for c in CHECKED if FENCE.search(section(c, "Way out"))])
def test_the_way_out_is_sound(code: str) -> None:
    for text in FENCE.findall(section(code, "Way out")):
        assert said(text) == set()


def test_most_pages_are_run() -> None:
    assert sum(bool(FENCE.search(section(c, "Example"))) for c in CHECKED) > 75
