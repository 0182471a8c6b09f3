"""Diagnostics as text and as data."""

from __future__ import annotations

import pytest

from causalcircuit.diagnostics import (
    Diagnostic,
    DiagnosticError,
    Fix,
    Label,
    Source,
    Span,
    did_you_mean,
    error,
    instead_of,
    nearest,
    render,
    render_all,
    to_json,
    warning,
)

TEXT = "node NM = gpt2.layer[1].head[3].out @ last\n\n\nlet ate = E[LD | do(NN = 0)] - E[LD]\n"
SOURCE = Source("ate.cq", TEXT)


def at(word: str, source: Source = SOURCE) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def test_the_form_of_the_reference() -> None:
    label = Label(at("NM"), "a similar name is declared here")
    found = Diagnostic(
        "CQ201", "unknown node `NN`", at("NN"), "not declared in this file", (label,), ("did you mean `NM`?",)
    )
    assert render(found) == (
        "error[CQ201]: unknown node `NN`\n"
        " --> ate.cq:4:21\n"
        "  |\n"
        "1 | node NM = gpt2.layer[1].head[3].out @ last\n"
        "  |      -- a similar name is declared here\n"
        "4 | let ate = E[LD | do(NN = 0)] - E[LD]\n"
        "  |                     ^^ not declared in this file\n"
        "  |\n"
        "  = help: did you mean `NM`?"
    )


def marks(text: str, word: str) -> str:
    lines = render(Diagnostic("CQ101", "m", at(word, Source("t", text)))).split("\n")
    return lines[4]


@pytest.mark.parametrize(
    ("text", "word", "under"),
    [
        ("\tx = y", "y", "  | \t    ^"),
        ("日本 = y", "y", "  |        ^"),
        ("e\u0301 = y", "y", "  |     ^"),  # one letter, two characters
        ("x = yy\n", "yy", "  |     ^^"),
    ],
)
def test_marks_stand_under_their_characters(text: str, word: str, under: str) -> None:
    assert marks(text, word) == under


def test_a_place_of_several_lines_is_marked_on_its_first() -> None:
    found = render(Diagnostic("CQ101", "m", Span(SOURCE, 0, len(TEXT))))
    assert found.split("\n")[4] == "  | " + "^" * 42


def test_a_place_at_the_end_of_a_text_has_one_mark() -> None:
    source = Source("t", "let a =")
    assert render(Diagnostic("CQ101", "m", Span(source, 7, 7))).endswith("1 | let a =\n  |        ^")


def test_a_label_in_another_file_is_named() -> None:
    other = Source("b.cq", 'use "./ate.cq" as a\n')
    found = render(Diagnostic("CQ201", "m", at("NN"), labels=(Label(at("use", other), "used here"),)))
    assert "::: b.cq:1:1 used here" in found


def test_a_place_outside_a_text() -> None:
    assert render(Diagnostic("CQ404", "m", where="d.jsonl, row 3", help=("mend it",))) == (
        "error[CQ404]: m\n --> d.jsonl, row 3\n  |\n  = help: mend it"
    )


def test_long_help_is_wrapped_and_several_are_set_apart() -> None:
    long = Diagnostic("CQ101", "m", help=("word " * 60,))
    assert max(map(len, render(long).split("\n"))) <= 112
    assert render_all([long, long]).count("\n\n") == 1


def test_json_counts_from_1_and_carries_the_fix() -> None:
    found = to_json(Diagnostic("CQ201", "m", at("NN"), "here", help=("h",), fix=Fix(at("NN"), "NM")))
    assert (found["code"], found["severity"], found["help"]) == ("CQ201", "error", ["h"])
    assert (found["span"]["line"], found["span"]["column"], found["span"]["end_column"]) == (4, 21, 23)
    assert found["fix"]["replacement"] == "NM"


def test_errors_carry_their_diagnostics_and_warnings_do_not_stop() -> None:
    remark = warning("CQ306", "masked", at("NN"))
    DiagnosticError.raise_if([remark])
    with pytest.raises(DiagnosticError, match=r"error\[CQ201\]: unknown \(ate.cq:4:21\)") as caught:
        DiagnosticError.raise_if([remark, *error("CQ201", "unknown", at("NN")).diagnostics])
    assert [d.severity for d in caught.value.diagnostics] == ["warning", "error"]


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("NN", ["NM", "LD"], "NM"),
        ("totl", ["total", "nie"], "total"),
        ("Total", ["total"], "total"),
        ("x", ["total"], None),
    ],
)
def test_did_you_mean(word: str, known: list[str], near: str | None) -> None:
    assert nearest(word, known) == near
    assert did_you_mean(word, known) == (f"did you mean `{near}`?" if near else "known here: `total`")


def test_neighbours_of_a_missing_file() -> None:
    assert instead_of("ioi.cq", ["ioii.cq", "b.cq"]) == "did you mean `ioii.cq`?"
    assert instead_of("zzz", [str(i) for i in range(9)]) == "in that folder: 0, 1, 2, 3, 4, 5, 6, 7 …"
    assert instead_of("zzz", []) == ""
