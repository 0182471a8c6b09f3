"""The grammar: strict, without conflicts, every terminal named; which words are free and which are not."""

from __future__ import annotations

import pytest
from lark import Lark

from causalcircuit.diagnostics import DiagnosticError, Source
from causalcircuit.syntax import opening_words, parse, parse_expression
from causalcircuit.syntax.parser import grammar_path

STRICT = Lark(
    grammar_path().read_text(encoding="utf-8"),
    parser="lalr",
    lexer="basic",
    start=["start", "condition"],
    strict=True,  # raises on a shift/reduce conflict, and (with interegular) on terminals that collide
    maybe_placeholders=False,
)
WORDS = sorted(
    str(t.pattern.value) for t in STRICT.terminals if t.name.startswith(("OPEN_", "WORD_")) and t.name != "WORD_OUTSIDE"
)
RESERVED = sorted(str(t.pattern.value) for t in STRICT.terminals if t.name.startswith("KEY_"))


def codes(text: str) -> list[str]:
    return [d.code for d in parse(Source("t", text))[1]]


def test_the_grammar_is_strict_and_every_terminal_has_a_name() -> None:
    assert len(STRICT.terminals) > 50
    assert not [t.name for t in STRICT.terminals if t.name.startswith("__ANON")]


def test_reserved_words_are_those_of_the_reference() -> None:
    assert set(RESERVED) == {"E", "P", "do", "on", "in", "by", "per", "for", "with", "and", "or", "not"}


def test_opening_words_are_those_of_this_version() -> None:
    declaring = {"model", "data", "node", "let", "graph", "circuit", "draw", "use"}
    assert set(opening_words()) == declaring | {
        "estimate",
        "observe",
        "identify",
        "check",
        "discover",
        "fit",
        "hypothesis",
        "family",
        "test",
        "show",
        "save",
        "freeze",
    }


@pytest.mark.parametrize("word", WORDS)
def test_other_words_are_names_elsewhere(word: str) -> None:
    assert codes(f"let {word} = {word} + f({word}, {word} = 1).{word}") == []
    assert codes(f"let f({word}) = E[{word}]") == []


@pytest.mark.parametrize("word", RESERVED)
def test_reserved_words_name_nothing_but_columns_and_arguments(word: str) -> None:
    assert codes(f"let {word} = 3") == ["CQ111"]
    assert codes(f"let a = row.{word}") == []
    if word in ("on", "by", "per", "for", "with"):
        assert codes(f"let a = mean(A, {word} = d)") == []


@pytest.mark.parametrize("word", ["logit", "pp"])
def test_a_unit_is_a_plain_name_and_an_opening_word_is_none(word: str) -> None:
    assert codes(f"let a = 3 {word}") == []
    assert codes("let a = 3 test") == ["CQ101"]


@pytest.mark.parametrize(
    ("text", "parses"),
    [
        ("(a = b)", True),
        ("a = b", True),  # as a condition
        ("f(a = b)", True),  # a named argument
        ("[a = b]", False),
        ("a^2", True),
        ("a^(-1)", True),
        ("a^(k)", True),
        ("a^-1", False),
        ("a^k", False),
        ("-a^2", True),
        ("A @ last", True),
        ("A @ (last - 1)", True),
        ("A @ (token(row.s) + 1)", True),
        ("A @ -2", True),
        ("A @ [first, last]", True),
        ("A @ token(row.a in row.b, row.c in row.d, 2)", True),
        ("h[*]", True),
        ("h[6, 9]", True),
        ("h[4..9]", True),
        ("h[0, 2..3]", True),
        ("h[..3]", False),
        ("a < b < c", False),
        ("a within [0, 1] and not b or c", True),
        ("(A | w, row.x = 1)", True),
        ("E[Y | office, do(A = (A | kitchen))]", True),
        ("P(Y > 0 | w)", True),
        ("P[Y > 0]", False),
        ("E(Y)", False),
        ("(A -> B)", True),
        ("A -> B", False),
        ("1.5e-3 logit", True),
        ("0.5%", True),
        ("5.", False),
        ("[a, b,]", True),
    ],
)
def test_expressions(text: str, parses: bool) -> None:
    try:
        parse_expression(Source("t", text))
        found = True
    except DiagnosticError:
        found = False
    assert found == parses


@pytest.mark.parametrize(
    "text",
    [
        "graph G { X -> M -> Y, X <-> Y, Y <- Z, T }",
        'graph G { X } assume "drawn at random"',
        'hypothesis h "t" { because "b" expect a < 1 }',
        "estimate a, b ci 95% seed 7 on d per row.g with bootstrap(200)",
        'use "./a.cq" as a with model m = hf("x") with data d = csv("y")',
    ],
)
def test_statements(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize("text", ["graph G { X Y }", "graph G { X, -> Y }", "let a = ", "estimate on d", "model = 3"])
def test_no_statements(text: str) -> None:
    assert codes(text)
