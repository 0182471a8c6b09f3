"""From a parser's complaint to a diagnostic that teaches."""

from __future__ import annotations

import re

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from causalcircuit.diagnostics import Diagnostic, Fix, Label, Span, nearest
from causalcircuit.syntax.chunks import Chunk

LATER = (
    *("circuit", "draw", "identify", "fit", "discover", "observe"),
    *("check", "repair", "save", "revise", "show", "freeze", "release"),
)
"""Opening words of the language that this version does not run yet."""

# What people type out of habit -> what the language writes, and why.
_HABITS: tuple[tuple[str, str, str], ...] = (
    ("==", "=", "equality is written with one `=`"),
    (";", "", "a statement ends with its line; nothing terminates it"),
    ("→", "->", "arrows are written `->`"),
    ("←", "<-", "arrows are written `<-`"),
    ("↔", "<->", "a latent common cause is written `<->`"),
    ("“", '"', 'strings stand between straight quotes `"`'),
    ("”", '"', 'strings stand between straight quotes `"`'),
    ("‘", '"', 'strings stand between straight quotes `"`'),
    ("’", '"', 'strings stand between straight quotes `"`'),
    ("'", '"', 'strings stand between double quotes `"`'),
    ("−", "-", "the minus is the hyphen of the keyboard"),
    ("–", "-", "the minus is the hyphen of the keyboard"),
    ("×", "*", "a product is written `*`"),
    ("≤", "<=", "written `<=`"),
    ("≥", ">=", "written `>=`"),
    ("≠", "!=", "written `!=`"),
    ("\u00a0", " ", "this is a no-break space"),
    ("\ufeff", "", "this is a byte order mark"),
    ("&", "and", "written `and`"),
    ("~", "", "a formula `y ~ x` has no place here; a readout in a world is written `E[Y | do(…)]`"),
    ("!", "not", "negation is written `not`"),
)
_STRINGS = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_NAMES = {
    "NAME": "a name",
    "NUMBER": "a number",
    "PERCENT": "a percentage",
    "STRING": "a string",
    "FIELD": "`.name`",
    "$END": "the end of the statement",
}
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def before_parsing(chunk: Chunk, opening: tuple[str, ...], soft: frozenset[str]) -> list[Diagnostic]:
    """Mistakes that are clearer before the grammar sees them: habits of other languages, the opening word."""
    habits = _habits(chunk.span)
    if habits:
        return habits
    word = chunk.word
    head = Span(chunk.span.source, chunk.span.start, chunk.span.start + len(word))
    text = chunk.span.text
    if text[:1].isspace():
        start = chunk.span.start + len(text) - len(text.lstrip())
        place = Span(chunk.span.source, start, min(chunk.span.end, start + 12))
        return [
            Diagnostic(
                "CQ103", "an indented line continues no statement", place, help=("statements start in column 1",)
            )
        ]
    if word in opening:
        return []
    if word in LATER:
        return [Diagnostic("CQ105", f"`{word}` is not available in this version", head, help=(_known(opening),))]
    near = nearest(word, (*opening, *LATER), 0.7)
    if re.match(r"\w+\s*(\([^)]*\))?\s*=(?!=)", text) and near is None:
        fix = Fix(Span(head.source, head.start, head.start), "let ", "add `let`")
        return [
            Diagnostic(
                "CQ104",
                f"`{word} = …` opens with no statement word",
                head,
                "`let` is missing",
                help=(f"write `let {word} = …` for a value, a world or a function, `node {word} = …` for a site",),
                fix=fix,
            )
        ]
    fixed = None if near is None else Fix(head, near)
    help_text = f"did you mean `{near}`?" if near else _known(opening)
    return [Diagnostic("CQ102", f"`{word}` opens no statement", head, "unknown word", help=(help_text,), fix=fixed)]


def _known(opening: tuple[str, ...]) -> str:
    return "a statement opens with one of " + ", ".join(f"`{w}`" for w in opening)


def _habits(span: Span) -> list[Diagnostic]:
    text = span.text
    bare = _STRINGS.sub(lambda m: " " * len(m.group()), text)
    found: list[tuple[int, Diagnostic]] = []
    for wrong, right, why in _HABITS:
        start = bare.find(wrong)
        while start >= 0:
            if not (wrong == "!" and bare[start : start + 2] == "!="):
                place = Span(span.source, span.start + start, span.start + start + len(wrong))
                shown = {"\u00a0": "a no-break space", "\ufeff": "a byte order mark"}.get(wrong, f"`{wrong}`")
                fix = Fix(place, right) if wrong not in "~'‘’" else None
                found.append(
                    (start, Diagnostic("CQ106", f"{shown} is not part of the language", place, help=(why,), fix=fix))
                )
            start = bare.find(wrong, start + len(wrong))
    do_bracket = re.search(r"\bdo\s*\[", bare)
    if do_bracket:
        place = Span(span.source, span.start + do_bracket.start(), span.start + do_bracket.end())
        found.append(
            (
                do_bracket.start(),
                Diagnostic("CQ107", "a world is written with round brackets", place, help=("write `do(A = 0)`",)),
            )
        )
    point = re.search(r"(?<![\w\]).])\.\d", bare)
    if point:
        place = Span(span.source, span.start + point.start(), span.start + point.end())
        found.append(
            (
                point.start(),
                Diagnostic(
                    "CQ108",
                    "a number starts with a digit",
                    place,
                    help=(f"write `0{place.text}`",),
                    fix=Fix(Span(span.source, place.start, place.start), "0"),
                ),
            )
        )
    return [d for _, d in sorted(found, key=lambda item: item[0])]


def explain(problem: UnexpectedInput, statement: Span) -> Diagnostic:
    """What the parser stumbled over, where, and what could have stood there."""
    if isinstance(problem, UnexpectedCharacters):
        start = statement.start + (problem.pos_in_stream or 0)
        place = Span(statement.source, start, start + 1)
        if place.text == '"':
            return Diagnostic(
                "CQ109", "a string is not closed on its line", place, "opens here", help=('end it with `"`',)
            )
        return Diagnostic("CQ106", f"`{place.text}` is not part of the language", place, help=("remove it",))
    token = problem.token if isinstance(problem, UnexpectedToken) else None
    if not isinstance(token, Token):  # pragma: no cover - Lark raises the two kinds above only
        return Diagnostic("CQ101", "this statement cannot be read", statement)
    at_end = token.type == "$END"
    start = statement.end if at_end else statement.start + (token.start_pos or 0)
    place = Span(statement.source, start - 1, start) if at_end else Span(statement.source, start, start + len(token))
    unclosed = _unclosed(statement, None if at_end else start)
    expected = set(problem.accepts or problem.expected) if isinstance(problem, UnexpectedToken) else set()
    if at_end and unclosed is not None:
        opener = unclosed.text
        return Diagnostic(
            "CQ110",
            f"`{opener}` is not closed",
            place,
            "the statement ends here",
            (Label(unclosed, "opened here"),),
            (f"close it with `{_CLOSERS[opener]}`",),
        )
    if token.type.startswith("KEY_") and "NAME" in expected:
        return Diagnostic(
            "CQ111",
            f"`{token}` is a word of the language and names nothing else",
            place,
            "reserved",
            help=("choose another name",),
        )
    where = "the statement ends" if at_end else f"`{token}` stands"
    return Diagnostic(
        "CQ101",
        f"{where} where {_choices(expected)} should be",
        place,
        "unexpected" if not at_end else "ends here",
        () if unclosed is None else (Label(unclosed, "inside this bracket"),),
        tuple(_hints(token, statement, start)),
    )


def _hints(found: Token, statement: Span, start: int) -> list[str]:
    before = statement.source.text[statement.start : start]
    if found == "," and re.search(r"\bP\([^|]*$", before):
        return ["what is given stands after a bar: `P(Y > 0 | do(X = 1))`"]
    if found == "=":
        return ["`=` compares in conditions only; in other places put it in parentheses: `(a = b)`"]
    if re.search(r"\d\s+$", before) and found.type == "NAME":
        return [f"a product is written `*`: `{before.split()[-1]} * {found}`"]
    return []


def _choices(expected: set[str]) -> str:
    if not expected:
        return "something else"
    if {"NAME", "NUMBER", "STRING"} <= expected:
        return "an expression"
    plain = sorted(e for e in expected if not e.startswith(("OPEN_", "WORD_")) or "NAME" not in expected)
    shown = [_NAMES.get(e) or f"`{_TOKENS.get(e, e.split('_', 1)[-1].lower())}`" for e in plain]
    if len(shown) > 7:
        shown = [*shown[:6], "…"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" or {shown[-1]}"


_TOKENS = {
    "COMMA": ",",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "EQUALS": "=",
    "BAR": "|",
    "AT": "@",
    "COLON": ":",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
    "CARET": "^",
    "LESS": "<",
    "MORE": ">",
    "AT_MOST": "<=",
    "AT_LEAST": ">=",
    "UNEQUAL": "!=",
    "RANGE": "..",
    "ARROW": "->",
    "BACK_ARROW": "<-",
    "BOTH_ARROW": "<->",
    "KEY_E": "E",
    "KEY_P": "P",
}


def _unclosed(statement: Span, until: int | None) -> Span | None:
    """The innermost bracket that is open at `until` (or at the end)."""
    text = statement.text if until is None else statement.source.text[statement.start : until]
    bare = _STRINGS.sub(lambda m: " " * len(m.group()), text)
    stack: list[int] = []
    for i, c in enumerate(bare):
        if c in _CLOSERS:
            stack.append(i)
        elif c in ")]}" and stack and _CLOSERS[bare[stack[-1]]] == c:
            stack.pop()
    if not stack:
        return None
    at = statement.start + stack[-1]
    return Span(statement.source, at, at + 1)
