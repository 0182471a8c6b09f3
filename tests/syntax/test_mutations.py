"""Good programs with a few tokens deleted, doubled, swapped or misspelt: always diagnostics, never a traceback."""

from __future__ import annotations

import random
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from causalcircuit.check import Checker
from causalcircuit.diagnostics import DiagnosticError, Source, render_all, to_json
from repotools.fixtures import programs

TEXTS = [(p.name, p.read_text(encoding="utf-8")) for p in programs("good")]
FOLDER = programs("good")[0].parent
TOKEN = re.compile(r'"[^"\n]*"|\w+|<->|->|<=|>=|!=|\.\.|#[^\n]*|\s+|[^\w\s]')
STRAY = (*"()[]{}|@,=E0", "..", "do", "row", "last", "1e400", '"', "\n", "λ", "->")


def mutate(text: str, seed: int) -> str:
    """`text` after one to three small accidents."""
    draw = random.Random(seed)
    tokens = TOKEN.findall(text)
    for _ in range(draw.randint(1, 3)):
        i = draw.choice([k for k, t in enumerate(tokens) if not t.isspace() and not t.startswith("#")] or [0])
        kind = draw.choice(["delete", "double", "swap", "misspell", "stray"])
        if kind == "delete":
            del tokens[i]
        elif kind == "double":
            tokens.insert(i, tokens[i] + " ")
        elif kind == "swap":
            j = draw.randrange(len(tokens))
            tokens[i], tokens[j] = tokens[j], tokens[i]
        elif kind == "misspell":
            at = draw.randrange(len(tokens[i]))
            tokens[i] = tokens[i][:at] + draw.choice("aexk7") + tokens[i][at + 1 :]
        else:
            tokens.insert(i, draw.choice(STRAY))
    return "".join(tokens)


def test_the_accidents_break_most_programs() -> None:
    name, text = TEXTS[0]
    broken = sum(bool(remarks(name, mutate(text, seed))) for seed in range(40))
    assert broken > 20


def remarks(name: str, text: str) -> str:
    """What is said of a text, as every surface renders it; anything but a `DiagnosticError` gets through."""
    try:
        found = Checker(FOLDER).read(Source(name, text)).warnings
    except DiagnosticError as problem:
        found = problem.diagnostics
        assert any(d.is_error for d in found)
    for d in found:
        assert re.fullmatch(r"CQ\d{3}", d.code)
        assert len(d.message) > 10
        assert not re.search(r"\b[Yy]ou(r|rs)?\b|Traceback|<class|object at 0x|Token\(|Tree\(", d.message)
        assert d.span is not None
        assert 0 <= d.span.start <= d.span.end <= len(d.span.source.text)
        assert to_json(d)["message"] == d.message
    return render_all(found)


@settings(max_examples=250)
@given(st.sampled_from(TEXTS), st.integers(0, 10**6))
def test_a_broken_program_gets_a_diagnostic_and_no_traceback(program: tuple[str, str], seed: int) -> None:
    remarks(program[0], mutate(program[1], seed))


@settings(max_examples=150)
@given(st.text(alphabet='abEPdo row.@=<>[](){}|,+-*/^01.%"#\n\t λ\x00', max_size=60))
@example("let a = " + "(" * 3000 + "1" + ")" * 3000)
@example("let a = 1e999\n")
@example("let a = " + "-" * 4000 + "1")
@example("let a = 1" + " + 1" * 3000)
def test_any_text_gets_a_diagnostic_and_no_traceback(text: str) -> None:
    remarks("t.cq", text)
