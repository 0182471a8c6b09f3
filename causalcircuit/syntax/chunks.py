"""Cutting a text into statements by its left margin.

Any word in column 1 begins a statement; continuation lines are indented, and a closing bracket may stand in column 1.
`##` lines in column 1 are comments for the report and belong to the statement below them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from causalcircuit.diagnostics import Source, Span

_WORD = re.compile(r"[^\W\d]\w*")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SKIPPED = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text of one statement.

    Attributes:
        span: from its first character to its last that is no white space or comment.
        comments: the `##` lines directly above it, without the marks.
    """

    span: Span
    comments: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The first word, or the first character where it is no word."""
        found = _WORD.match(self.span.text)
        return found.group() if found else self.span.text[:1]


def cut(source: Source) -> tuple[list[Chunk], tuple[str, ...]]:
    """The statements of a text, and the `##` lines after the last one."""
    chunks: list[Chunk] = []
    comments: list[str] = []
    start: int | None = None
    above: tuple[str, ...] = ()
    offset = 0
    for line in _LINE.findall(source.text):  # not `splitlines`: that cuts at rarer separators, inside strings too
        first = line[:1]
        if first == "#":
            if line.startswith("##"):
                comments.append(line[2:].strip())
        elif first.strip() and (first not in ")]}" or start is None):
            if start is not None:
                chunks.append(_chunk(source, start, offset, above))
            start, above, comments = offset, tuple(comments), []
        elif start is None and line.strip():
            start, above, comments = offset, tuple(comments), []
        offset += len(line)
    if start is not None:
        chunks.append(_chunk(source, start, offset, above))
    return chunks, tuple(comments)


def _chunk(source: Source, start: int, end: int, comments: tuple[str, ...]) -> Chunk:
    """A statement without the white space and comments after it."""
    text = source.text[start:end]
    bare = _SKIPPED.sub(lambda m: m.group() if m.group()[0] == '"' else " " * len(m.group()), text)
    return Chunk(Span(source, start, start + len(bare.rstrip())), comments)


def blanked(text: str) -> str:
    """The text with every string and comment replaced by as many spaces, so that offsets stay."""
    return _SKIPPED.sub(lambda found: " " * len(found.group()), text)


def is_complete(text: str) -> bool:
    """Whether a typed statement is whole: brackets closed, and it does not end in an operator or a comma."""
    bare = _SKIPPED.sub(lambda m: '""' if m.group()[0] == '"' else "", text).rstrip()
    depth = sum(bare.count(c) for c in "([{") - sum(bare.count(c) for c in ")]}")
    return depth <= 0 and not re.search(r"(?:[=,+\-*/|@<>^]|\b(?:on|with|per|for|in|by|as|and|or|not))$", bare)
