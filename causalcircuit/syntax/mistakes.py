"""From a parser's complaint to a diagnostic that teaches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from causalcircuit.diagnostics import Diagnostic, Fix, Label, Span, nearest
from causalcircuit.syntax.chunks import blanked

_NAMES = {
    "NAME": "a name",
    "NUMBER": "a number",
    "PERCENT": "a percentage",
    "STRING": "a string",
    "RANGE": "`..`",
    "$END": "the end of the statement",
}
_SIGNS = {
    "COMMA": ",",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "EQUALS": "=",
    "BAR": "|",
    "COLON": ":",
    "ARROW": "->",
    "BACK_ARROW": "<-",
    "BOTH_ARROW": "<->",
    "APART": "_||_",
    "KEY_E": "E",
    "KEY_P": "P",
}
_OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "CARET", "LESS", "MORE", "AT_MOST", "AT_LEAST", "UNEQUAL", "AT", "FIELD"}
)
_AFTER_VALUE = frozenset({"WORD_WITHIN", "WORD_OUTSIDE", "WORD_MENTIONS", "WORD_EXCEPT", "KEY_AND", "KEY_OR"})
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def explain(problem: UnexpectedInput, statement: Span) -> Diagnostic:
    """What the parser stumbled over, where, and what could have stood there."""
    if isinstance(problem, UnexpectedToken) and isinstance(problem.token, Token):
        return _token(problem.token, set(problem.accepts or problem.expected), statement)
    if isinstance(problem, UnexpectedCharacters):
        return _character(statement.start + (problem.pos_in_stream or 0), statement)
    return Diagnostic("CQ101", "this statement cannot be read", statement)  # pragma: no cover - no third kind exists


def _character(start: int, statement: Span) -> Diagnostic:
    place = Span(statement.source, start, start + 1)
    if place.text == '"':
        way = ('end it with `"`',)
        return Diagnostic("CQ109", "a string is not closed on its line", place, "opens here", help=way)
    if place.text == ".":
        if statement.source.text[start - 1 : start].isdigit():
            return Diagnostic("CQ108", "a number ends with a digit", place, help=("write `1` or `1.0`",))
        return Diagnostic("CQ106", "a `.` without a name after it", place, help=("write `m.layer[0]`, `row.column`",))
    way = ("names are written with a-z, A-Z, 0-9 and _",) if place.text.isalpha() else ("remove it",)
    return Diagnostic("CQ106", f"`{place.text}` is not part of the language", place, help=way)


def _token(token: Token, expected: set[str], statement: Span) -> Diagnostic:
    at_end = token.type == "$END"
    start = statement.end if at_end else statement.start + (token.start_pos or 0)
    place = Span(statement.source, start - 1, start) if at_end else Span(statement.source, start, start + len(token))
    bracket = _unclosed(statement, start)
    if at_end and bracket is not None:
        way = (f"close it with `{_CLOSERS[bracket.text]}`",)
        opened = (Label(bracket, "opened here"),)
        return Diagnostic("CQ110", f"`{bracket.text}` is not closed", place, "the statement ends here", opened, way)
    if token.type.startswith("KEY_") and "NAME" in expected and "STRING" not in expected:
        said = f"`{token}` is a word of the language and names nothing else"
        return Diagnostic("CQ111", said, place, "reserved", help=("choose another name",))
    labels = () if bracket is None else (Label(bracket, "inside this bracket"),)
    if token.type == "EQUALS" and "PLUS" in expected:
        way = ("in other places an equality stands in parentheses: `(a = b)`",)
        return Diagnostic("CQ101", "`=` compares in conditions only", place, "unexpected", labels, way)
    return Diagnostic(
        "CQ101",
        f"{'the statement ends' if at_end else f'`{token}` stands'} where {_choices(expected)} should be",
        place,
        "ends here" if at_end else "unexpected",
        labels,
        tuple(_hints(token, expected, bracket, statement, start)),
        fix=_fix(token, expected, place),
    )


def _hints(token: Token, expected: set[str], bracket: Span | None, statement: Span, start: int) -> Iterator[str]:
    before = blanked(statement.source.text[statement.start : start]).rstrip()
    outside = before[: bracket.start - statement.start] if bracket is not None else ""
    if token.type == "COMMA" and re.search(r"\b[EP]$", outside):
        yield "what is given stands after a bar: `E[Y | do(X = 1)]`, `P(Y > 0 | do(X = 1))`"
        if not re.match(r"\s*do\b", statement.source.text[start + 1 :]):
            yield "events that happen together are joined by `and`: `P(A and B | do(X = 1))`"
    elif token.type in ("RPAR", "COMMA") and "EQUALS" in expected and re.search(r"\bdo$", outside):
        yield "`do` says the value that is set: `do(X = 1)`; in `identify`, `do(X = *)` is every value"
    elif token.type in ("RPAR", "RSQB", "RBRACE") and bracket is None:
        yield "no bracket is open here: remove it"
    elif token.type in ("RPAR", "RSQB", "RBRACE") and bracket is not None and _CLOSERS[bracket.text] != token:
        yield f"close `{bracket.text}` with `{_CLOSERS[bracket.text]}` first"
    elif token.type in ("ARROW", "BACK_ARROW", "BOTH_ARROW"):
        yield "arrows are drawn inside `graph G { X -> Y }`; a wire stands in parentheses: `(A -> B)`"
    elif before.endswith("^"):
        yield "an exponent is a number or stands in parentheses: `x^2`, `x^(-1)`, `x^(k)`"
    elif token.type.startswith("KEY_") and "STRING" in expected:
        yield f"`{token}` is a word of the language, not a value"
    elif _misspelt(token, expected):
        yield f"did you mean `{_misspelt(token, expected)}`?"
    elif "STAR" in expected and token.type in ("NAME", "NUMBER", "KEY_E", "KEY_P", "LPAR", "STRING"):
        left = re.search(r"[\w.]+$", before)
        if left:
            yield f"a product is written `*`: `{left.group()} * {token}`"


def _misspelt(token: Token, expected: set[str]) -> str | None:
    """The option or word that a name in its place was meant to be."""
    words = [e.split("_", 1)[1].lower() for e in sorted(expected) if e.startswith(("KEY_", "WORD_"))]
    return nearest(str(token), words, 0.65) if token.type == "NAME" and words else None


def _fix(token: Token, expected: set[str], place: Span) -> Fix | None:
    meant = _misspelt(token, expected)
    return None if meant is None else Fix(place, meant)


def _choices(expected: set[str]) -> str:
    """What could stand there, in words: kinds rather than every sign."""
    if not expected:
        return "something else"
    if {"NAME", "NUMBER", "STRING"} <= expected:
        return "an expression"
    after_value = "PLUS" in expected
    rest = expected - _OPERATORS - (_AFTER_VALUE | {"LPAR", "LSQB"} if after_value else set())
    rest -= {"EQUALS"} if "UNEQUAL" in expected else set()
    words = sorted(e for e in rest if e.startswith(("OPEN_", "WORD_", "KEY_")) and e not in _SIGNS)
    shown = [_NAMES.get(e) or f"`{_SIGNS[e]}`" for e in sorted(rest - set(words) - {"$END"})]
    if "NAME" not in expected and words:
        shown += ["an option"] if len(words) > 3 else [f"`{e.split('_', 1)[1].lower()}`" for e in words]
    if after_value or "FIELD" in expected:
        shown.append("an operator")
    if "$END" in expected:
        shown.append(_NAMES["$END"])
    shown = list(dict.fromkeys(shown)) or ["something else"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" or {shown[-1]}"


def _unclosed(statement: Span, until: int) -> Span | None:
    """The innermost bracket that is open at `until`."""
    bare = blanked(statement.source.text[statement.start : until])
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
