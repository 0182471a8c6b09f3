"""Every code block of docs/language.md is checked as the page says; no word of the grammar goes unmentioned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError, codes, title
from causalcircuit.runs import check_text
from causalcircuit.syntax.parser import grammar_path
from repotools.errors import index

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```cq(?: (CQ\d{3}))?\n(.*?)```", PAGE, re.DOTALL)
DECLARED = BLOCKS[0][1]


def said(text: str) -> list[str]:
    try:
        return [d.code for d in check_text(text, folder=ROOT / "examples").warnings]
    except DiagnosticError as problem:
        return [d.code for d in problem.diagnostics if d.is_error]


@pytest.mark.parametrize(("code", "text"), BLOCKS[1:], ids=lambda x: x.split("\n")[0][:40])
def test_a_block_of_the_reference(code: str, text: str) -> None:
    assert said(DECLARED + text) == [code] * bool(code)


def test_the_declarations_of_the_reference() -> None:
    assert said(DECLARED) == []
    assert len(BLOCKS) > 25


def test_every_word_of_the_grammar_is_in_the_reference() -> None:
    words = re.findall(r'^(?:OPEN|WORD|KEY)_\w+: "(\w+)"', grammar_path().read_text(encoding="utf-8"), re.MULTILINE)
    assert len(words) > 30
    assert [w for w in words if not re.search(rf"\b{w}\b", PAGE)] == []


def test_every_statement_has_a_section() -> None:
    headings = " ".join(re.findall(r"^## (.*)$", PAGE, re.MULTILINE))
    opening = re.findall(r'^OPEN_\w+: "(\w+)"', grammar_path().read_text(encoding="utf-8"), re.MULTILINE)
    assert [w for w in opening if f"`{w}`" not in headings] == []


def test_the_index_of_errors_is_that_of_the_pages() -> None:
    """`python -m repotools.errors` writes it anew."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert text == index()
    assert all(f"{code}]" in text and title(code) in text for code in codes())
