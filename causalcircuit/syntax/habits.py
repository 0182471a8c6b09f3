"""Mistakes that are clearer before the grammar sees them: habits of other languages, and the opening word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from causalcircuit.diagnostics import Diagnostic, Fix, Span, nearest
from causalcircuit.syntax.chunks import Chunk, blanked
from causalcircuit.syntax.trees import ESCAPES

LATER = (*("repair", "revise", "release"),)
"""Opening words of the language that this version does not run yet."""

# What people type out of habit -> what the language writes (None: no fix can be applied blindly), and why.
_HABITS: dict[str, tuple[str | None, str]] = {
    "==": ("=", "equality is written with one `=`"),
    "**": ("^", "a power is written `x^2`"),
    "&&": ("and", "written `and`"),
    "||": ("or", "written `or`"),
    "=>": ("->", "an arrow is written `->`, at least `>=`"),
    ";": ("", "a statement ends with its line; nothing terminates it"),
    "→": ("->", "arrows are written `->`"),
    "←": ("<-", "arrows are written `<-`"),
    "↔": ("<->", "a latent common cause is written `<->`"),
    "“": ('"', 'strings stand between straight quotes `"`'),
    "”": ('"', 'strings stand between straight quotes `"`'),
    "‘": (None, 'strings stand between straight double quotes `"`'),
    "’": (None, 'strings stand between straight double quotes `"`'),
    "'": (None, 'strings stand between double quotes `"`'),
    "−": ("-", "the minus is the hyphen of the keyboard: `-`"),
    "–": ("-", "the minus is the hyphen of the keyboard: `-`"),
    "×": ("*", "a product is written `*`"),
    "·": ("*", "a product is written `*`"),
    "⊥": ("_||_", "an independence is written `X _||_ Y | Z`"),
    "⫫": ("_||_", "an independence is written `X _||_ Y | Z`"),
    "≤": ("<=", "at most is written `<=`"),
    "≥": (">=", "at least is written `>=`"),
    "≠": ("!=", "unequal is written `!=`"),
    "\u00a0": (" ", "type an ordinary space in its place"),
    "\ufeff": ("", "save the file as UTF-8 without a byte order mark"),
    "&": ("and", "written `and`"),
    "~": (None, "a formula `y ~ x` has no place here; a readout in a world is written `E[Y | do(…)]`"),
    "!": ("not ", "negation is written `not`"),
}
_LONGEST_FIRST = sorted(_HABITS, key=len, reverse=True)
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_ESCAPE = re.compile(r"\\(.)")
_AROUND = {"!": "!(?!=)", "||": r"(?<!_)\|\||\|\|(?!_)"}
"""Where a habit is a part of what the language writes: `!=`, `_||_`."""
_FOUND = re.compile("|".join(_AROUND.get(h, re.escape(h)) for h in _LONGEST_FIRST))
_SHOWN = {"\u00a0": "a no-break space", "\ufeff": "a byte order mark"}
_POINT = re.compile(r"(?<![\w\]).])\.\d+")
_DO = re.compile(r"\bdo\s*([\[{])")


def before_parsing(chunk: Chunk, opening: tuple[str, ...]) -> list[Diagnostic]:
    """What is wrong with a statement's characters, or else with its first word."""
    found = sorted(_habits(chunk.span), key=lambda d: d.span.start if d.span else 0)
    return found or list(_opening(chunk, opening))


def _habits(span: Span) -> Iterator[Diagnostic]:
    bare = blanked(span.text)
    for found in _FOUND.finditer(bare):
        wrong, place = found.group(), _part(span, found.start(), found.end())
        right, why = _HABITS[wrong]
        shown = _SHOWN.get(wrong, f"`{wrong}`")
        fix = None if right is None else Fix(place, right)
        yield Diagnostic("CQ106", f"{shown} is not part of the language", place, help=(why,), fix=fix)
    for text in _STRING_OR_COMMENT.finditer(span.text):
        for found in _ESCAPE.finditer(span.text, *text.span()):
            if text.group().startswith('"') and found.group(1) not in ESCAPES:
                place = _part(span, found.start(), found.end())
                way = 'a string knows `\\n`, `\\t`, `\\"` and `\\\\` (a backslash); all else stands for itself'
                yield Diagnostic("CQ114", f"`{found.group()}` stands for no character", place, help=(way,))
    for found in _DO.finditer(bare):
        place = _part(span, found.start(), found.end())
        yield Diagnostic("CQ107", "a world is written with round brackets", place, help=("write `do(A = 0)`",))
    for found in _POINT.finditer(bare):
        place = _part(span, found.start(), found.end())
        fix = Fix(_part(span, found.start(), found.start()), "0")
        yield Diagnostic("CQ108", "a number starts with a digit", place, help=(f"write `0{place.text}`",), fix=fix)


def _opening(chunk: Chunk, opening: tuple[str, ...]) -> Iterator[Diagnostic]:
    word, text = chunk.word, chunk.span.text
    head = _part(chunk.span, 0, len(word))
    if text[:1].isspace():
        start = len(text) - len(text.lstrip())
        line = _part(chunk.span, start, start + len(text[start:].split("\n")[0]))
        yield Diagnostic("CQ103", "an indented line continues no statement", line, help=("start it in column 1",))
    elif word in LATER:
        yield Diagnostic("CQ105", f"`{word}` is not available in this version", head, help=(_known(opening),))
    elif re.match(r"[EP]\s*[\[(]", text):
        question = text.split("\n")[0].strip()
        yield Diagnostic(
            "CQ102",
            f"`{word}` opens no statement",
            head,
            "`estimate` is missing",
            help=(f"write `estimate {question}`",),
            fix=Fix(_part(head, 0, 0), "estimate ", "add `estimate`"),
        )
    elif word not in opening:
        near = nearest(word, (*opening, *LATER), 0.7)
        declared = re.match(r"\w+\s*(\([^)]*\))?\s*=", text)
        if declared and near is None:
            name = f"{word}{declared.group(1) or ''}"
            other = "" if declared.group(1) else f", `node {name} = …` for a site or a readout"
            yield Diagnostic(
                "CQ104",
                f"`{name} = …` opens with no statement word",
                head,
                "`let` is missing",
                help=(f"write `let {name} = …` for a value, a world or a function{other}",),
                fix=Fix(_part(head, 0, 0), "let ", "add `let`"),
            )
        else:
            fix = None if near is None else Fix(head, near)
            way = f"did you mean `{near}`?" if near else _known(opening)
            yield Diagnostic("CQ102", f"`{word}` opens no statement", head, "unknown word", help=(way,), fix=fix)


def _known(opening: tuple[str, ...]) -> str:
    return "a statement opens with one of " + ", ".join(f"`{w}`" for w in opening)


def _part(span: Span, start: int, end: int) -> Span:
    return Span(span.source, span.start + start, span.start + end)
