"""A text is cut into statements by its left margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalcircuit.diagnostics import Source
from causalcircuit.syntax import cut, is_complete


def chunks(text: str) -> list[str]:
    return [c.span.text for c in cut(Source("t", text))[0]]


def test_a_word_in_column_1_begins_a_statement_and_indented_lines_continue_it() -> None:
    assert chunks("let a =\n  1\n\t+ 2\nlet b = 3\n") == ["let a =\n  1\n\t+ 2", "let b = 3"]


def test_any_word_begins_one_so_a_misspelt_word_swallows_nothing() -> None:
    assert chunks("lett a = 1\nfoo\nlet b = 2") == ["lett a = 1", "foo", "let b = 2"]


@pytest.mark.parametrize("closer", [")", "]", "}"])
def test_closing_brackets_may_stand_in_column_1(closer: str) -> None:
    assert chunks(f"let a = x\n  1\n{closer}\nlet b = 2") == [f"let a = x\n  1\n{closer}", "let b = 2"]


def test_a_closing_bracket_at_the_start_of_a_text_is_a_statement_of_its_own() -> None:
    assert chunks(")\nlet b = 2") == [")", "let b = 2"]


def test_empty_lines_and_comments_at_the_end_belong_to_no_statement() -> None:
    assert chunks("\n\nlet a = 1  # one\n\n# more\n  # indented\n\nlet b = 2\n\n") == ["let a = 1", "let b = 2"]


def test_a_sharp_sign_in_a_string_is_no_comment() -> None:
    assert chunks('let a = "# no comment"  # one') == ['let a = "# no comment"']


def test_report_comments_belong_to_the_statement_below_them() -> None:
    found, trailing = cut(Source("t", "## one\n##two\n# none\nlet a = 1 ## none\n## three\n\nlet b = 2\n## last\n"))
    assert [c.comments for c in found] == [("one", "two"), ("three",)]
    assert trailing == ("last",)


def test_windows_line_ends() -> None:
    assert chunks("let a =\r\n  1\r\nlet b = 2\r\n") == ["let a =\r\n  1", "let b = 2"]


def test_rare_line_separators_do_not_cut_a_string() -> None:
    text = 'let a = "one\u2028two\x0cthree"'
    assert chunks(text) == [text]


@given(st.text(alphabet='ab =()[]{}"#\n\t\r\u2028', max_size=80))
def test_no_character_is_lost(text: str) -> None:
    found, _ = cut(Source("t", text))
    covered = {i for c in found for i in range(c.span.start, c.span.end)}
    left = "".join(c for i, c in enumerate(text) if i not in covered)
    assert all(line.lstrip()[:1] in ("", "#") for line in left.split("\n"))
    assert [c.span.start for c in found] == sorted(c.span.start for c in found)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("let a = 1", True),
        ("let a =", False),
        ("let a = (1", False),
        ("let a = [1,", False),
        ("estimate a on", False),
        ("hypothesis h {", False),
        ('let a = "("', True),
        ("let a = 1  # (", True),
        ("let a = 1)", True),
        ("estimate a on iron", True),
    ],
)
def test_a_typed_statement_is_complete_or_not(text: str, whole: bool) -> None:
    assert is_complete(text) is whole
