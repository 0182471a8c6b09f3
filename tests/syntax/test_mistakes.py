"""The mistakes that the reference lists: the code, the place under the mark, the way out, the fix."""

from __future__ import annotations

import pytest

from causalcircuit.diagnostics import Diagnostic, Source
from causalcircuit.syntax import parse


def only(text: str) -> Diagnostic:
    (found,) = parse(Source("t", text))[1]
    return found


@pytest.mark.parametrize(
    ("text", "code", "under", "way"),
    [
        ("estimate E[Y | row.a == 1] on d", "CQ106", "==", "one `=`"),
        ("let a = b ** 2", "CQ106", "**", "`x^2`"),
        ("let a = E[Y];", "CQ106", ";", "ends with its line"),
        ("estimate Y ~ X on d", "CQ106", "~", "`E[Y | do(…)]`"),
        ("graph G { X → Y }", "CQ106", "→", "`->`"),
        ("graph G { X ↔ Y }", "CQ106", "↔", "`<->`"),
        ("let a = E[Y] − 1", "CQ106", "−", "hyphen"),
        ("let a = 3 × b", "CQ106", "×", "`*`"),
        ("test E[Y] ≥ 1 on d", "CQ106", "≥", "`>=`"),
        ("let\u00a0a = 1", "CQ106", "\u00a0", "ordinary space"),
        ("\ufefflet a = 1", "CQ106", "\ufeff", "without a byte order mark"),
        ("let a = not b & c", "CQ106", "&", "`and`"),
        ("let a = !b", "CQ106", "!", "`not`"),
        ("let λ = 1", "CQ106", "λ", "a-z"),
        ("let a = 1 $", "CQ106", "$", "remove it"),
        ("estimate E[Y | do[X = 0]] on d", "CQ107", "do[", "`do(A = 0)`"),
        ("estimate E[Y | do {X = 0}] on d", "CQ107", "do {", "`do(A = 0)`"),
        ("let a = .5", "CQ108", ".5", "`0.5`"),
        ("let a = 5. + 1", "CQ108", ".", "`1.0`"),
        ('let a = "b', "CQ109", '"', 'end it with `"`'),
        ('node a = m.logit["\\u00e9"] @ last', "CQ114", "\\u", "backslash"),
        ('use ".\\data.cq" as a', "CQ114", "\\d", "backslash"),
        ("let a = do(X = 0", "CQ110", "0", "close it with `)`"),
        ("let a = E[Y | do(X = 0)", "CQ110", ")", "close it with `]`"),
        ("graph G { X -> Y", "CQ110", "Y", "close it with `}`"),
        ("let a = E[Y | do(X = 0])", "CQ101", "]", "close `(` with `)` first"),
        ("let a = E[Y]]", "CQ101", "]", "no bracket is open"),
        ("ate = E[Y]", "CQ104", "ate", "`let ate = …`"),
        ("effect(H) = E[H]", "CQ104", "effect", "`let effect(H) = …`"),
        ("estmate E[Y] on d", "CQ102", "estmate", "did you mean `estimate`?"),
        ("E[Y] on d", "CQ102", "E", "write `estimate E[Y] on d`"),
        ("P(Y > 0) on d", "CQ102", "P", "write `estimate P(Y > 0) on d`"),
        ("plot E[Y] on d", "CQ102", "plot", "opens with one of"),
        ("repair r on d { }", "CQ105", "repair", "opens with one of"),
        ("estimate P(Y, do(X = 0)) on d", "CQ101", ",", "after a bar"),
        ("estimate E[Y, do(X = 0)] on d", "CQ101", ",", "after a bar"),
        ("node E = 1", "CQ111", "E", "another name"),
        ("let a = b = c", "CQ101", "=", "in parentheses"),
        ("let a = b^c", "CQ101", "c", "`x^(k)`"),
        ("let a = d E[Y]", "CQ101", "E", "`d * E`"),
        ("estimate E[Y] onn d", "CQ101", "onn", "did you mean `on`?"),
        ("let a = X -> Y", "CQ101", "->", "inside `graph G"),
        ("  let a = 1", "CQ103", "let a = 1", "column 1"),
    ],
)
def test_a_mistake(text: str, code: str, under: str, way: str) -> None:
    found = only(text)
    assert found.code == code
    assert found.span is not None
    assert found.span.text == under
    assert way in " ".join(found.help)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("let a = (b == c)", "let a = (b = c)"),
        ("let a = .5", "let a = 0.5"),
        ("lett a = 1", "let a = 1"),
        ("a = E[Y]", "let a = E[Y]"),
        ("let a = E[Y] − 1", "let a = E[Y] - 1"),
        ("\ufefflet a = 1", "let a = 1"),
        ("let\u00a0a = 1;", "let a = 1"),
        ("let a = “b”", 'let a = "b"'),
        ("let a = (!b)", "let a = (not b)"),
        ("estimate E[Y] onn d", "estimate E[Y] on d"),
        ("graph G { X → Y, Y ↔ Z }", "graph G { X -> Y, Y <-> Z }"),
    ],
)
def test_the_fix_mends_it(text: str, mended: str) -> None:
    found = parse(Source("t", text))[1]
    for d in sorted(found, key=lambda d: -(d.fix.span.start if d.fix else 0)):
        assert d.fix is not None
        text = text[: d.fix.span.start] + d.fix.replacement + text[d.fix.span.end :]
    assert text == mended
    assert parse(Source("t", text))[1] == []


@pytest.mark.parametrize(
    "text",
    [
        'let a = "a == b; c → “d”"',
        "let a = 1  # a == b; .5 do[x]",
        'let a = "x" # "',
        "let a = (b != c)",
        r'node a = m.logit["\n\t\"\\"] @ last   # "C:\new\dir"',
    ],
)
def test_strings_and_comments_hold_anything(text: str) -> None:
    assert parse(Source("t", text))[1] == []


def test_statements_fail_alone() -> None:
    statements, found, _ = parse(Source("t", "let a = (\nlet b = 1\nlet c == 2\nlet d = 3\n"))
    assert [s.span.text for s in statements] == ["let b = 1", "let d = 3"]
    assert [(d.code, d.span.line if d.span else 0) for d in found] == [("CQ110", 1), ("CQ106", 3)]
