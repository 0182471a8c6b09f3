"""The terminal's view of a diagnostic: plain text, in the form shown in the language's reference."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable

from causalcircuit.diagnostics.diagnostic import Diagnostic
from causalcircuit.diagnostics.source import Span


def render(diagnostic: Diagnostic) -> str:
    """A diagnostic as text: headline, place, the lines of source with marks under them, help."""
    out = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    marks: list[tuple[Span, str, str]] = [(label.span, label.text, "-") for label in diagnostic.labels]
    if diagnostic.span is not None:
        marks.append((diagnostic.span, diagnostic.label, "^"))
        width = max(len(str(span.line)) for span, _, _ in marks)
        line, column = diagnostic.span.source.position(diagnostic.span.start)
        out.append(f"{' ' * width}--> {diagnostic.span.source.name}:{line}:{column}")
        out.append(f"{' ' * width} |")
        out.extend(_lines(marks, width, diagnostic.span))
        margin = " " * width
    else:
        margin = " "
        if diagnostic.where:
            out.append(f" --> {diagnostic.where}")
    if diagnostic.help:
        if diagnostic.span is not None or diagnostic.where:
            out.append(f"{margin} |")
        for text in diagnostic.help:
            first, *rest = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False) or [""]
            out.append(f"{margin} = help: {first}")
            out.extend(f"{margin}         {more}" for more in rest)
    return "\n".join(out)


def render_all(diagnostics: Iterable[Diagnostic]) -> str:
    """Several diagnostics, an empty line between them."""
    return "\n\n".join(render(d) for d in diagnostics)


def _lines(marks: list[tuple[Span, str, str]], width: int, main: Span) -> list[str]:
    """The marked lines, in the order of the text; places in other files are named in a line of their own."""
    out: list[str] = []
    here = [m for m in marks if m[0].source.name == main.source.name]
    for number in sorted({span.line for span, _, _ in here}):
        text = main.source.line(number)
        out.append(f"{number:>{width}} | {text}")
        for span, words, mark in here:
            if span.line == number:
                start = span.column - 1
                length = max(1, min(span.end - span.start, len(text) - start))
                pad, under = _cells(text[:start]), mark * max(1, _cells_count(text[start : start + length]))
                out.append(f"{' ' * width} | {pad}{under} {words}".rstrip())
    out.extend(
        f"{' ' * width} ::: {span.source.name}:{span.line}:{span.column} {words}".rstrip()
        for span, words, _ in marks
        if span.source.name != main.source.name
    )
    return out


def _cells(text: str) -> str:
    """Blank cells as wide as `text` (tabs kept, wide characters two cells)."""
    return "".join("\t" if c == "\t" else " " * _width(c) for c in text)


def _cells_count(text: str) -> int:
    return sum(_width(c) for c in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
