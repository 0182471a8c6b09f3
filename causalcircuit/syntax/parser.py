"""The grammar at work: one statement's text to one tree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Source, Span
from causalcircuit.query.private import private_folder
from causalcircuit.syntax.chunks import Chunk, cut
from causalcircuit.syntax.habits import before_parsing
from causalcircuit.syntax.mistakes import explain

_HERE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement: its opening word, tree, place and the `##` lines above it."""

    word: str
    tree: Tree[Token]
    span: Span
    comments: tuple[str, ...]


def parse(source: Source) -> tuple[list[Statement], list[Diagnostic], tuple[str, ...]]:
    """The statements of a text that parse, what is wrong with the others, and the `##` lines at the end."""
    statements: list[Statement] = []
    found: list[Diagnostic] = []
    chunks, trailing = cut(source)
    for chunk in chunks:
        try:
            statements.append(parse_statement(chunk))
        except DiagnosticError as problem:
            found.extend(problem.diagnostics)
    return statements, found, trailing


def parse_statement(chunk: Chunk) -> Statement:
    """One statement.

    Raises:
        DiagnosticError: the text is no statement (CQ1xx).
    """
    DiagnosticError.raise_if(before_parsing(chunk, opening_words()))
    try:
        tree = _parser().parse(chunk.span.text, start="start")
    except UnexpectedInput as problem:
        raise DiagnosticError(explain(problem, chunk.span)) from None
    return Statement(chunk.word, tree, chunk.span, chunk.comments)


def parse_expression(source: Source) -> Tree[Token]:
    """A text that is one expression (or condition).

    Raises:
        DiagnosticError: it is none.
    """
    span = Span(source, 0, len(source.text))
    try:
        return _parser().parse(source.text, start="condition")
    except UnexpectedInput as problem:
        raise DiagnosticError(explain(problem, span)) from None


@cache
def opening_words() -> tuple[str, ...]:
    """The words that open a statement, as the grammar has them."""
    return tuple(str(t.pattern.value) for t in _parser().terminals if t.name.startswith("OPEN_"))


def grammar_path() -> Path:
    """The grammar's file: inside an installed package, or the top-level folder of a source tree."""
    inside = _HERE / "grammar" / "causalcircuit.lark"
    return inside if inside.is_file() else _HERE.parent / "grammar" / "causalcircuit.lark"


@cache
def _parser() -> Lark:
    # The built tables are cached in a folder that nobody else can write: Lark's cache is a pickle.
    return Lark(
        grammar_path().read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        start=["start", "condition"],
        propagate_positions=True,
        maybe_placeholders=False,
        cache=str(_cache_file()) if _cache_file() is not None else False,
    )


@cache
def _cache_file() -> Path | None:
    """A file in a private folder of the user, named after the grammar; `None` where there is no safe place."""
    import hashlib
    import sys

    import lark

    base = private_folder()
    if base is None:
        return None
    said = grammar_path().read_bytes() + lark.__version__.encode() + sys.version.encode()
    return base / f"grammar-{hashlib.sha256(said).hexdigest()[:16]}.lark"
