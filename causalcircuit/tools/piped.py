"""Statements from a pipe, one after another, as soon as each is known to have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causalcircuit.syntax import is_complete


def piped(lines: Iterable[str]) -> Iterator[str]:
    """The statements in `lines`, with the comments above each.

    A statement ends before the next line that begins in column 1, as in a file, or at an empty line when it is
    whole. A line with a `:command` stands alone.
    """
    held: list[str] = []
    for line in lines:
        text = "".join(held)
        if line.startswith(":"):
            if text.strip():
                yield text
            yield line
            held = []
            continue
        if _ends(text, line):
            yield text
            held = []
        held.append(line)
    if "".join(held).strip():
        yield "".join(held)


def _ends(text: str, line: str) -> bool:
    """Whether the statement held so far is over when `line` comes."""
    if not any(held.strip() and not held.startswith("#") for held in text.splitlines()):
        return False
    if not line.strip() or line.startswith("#"):
        return is_complete(text)
    return not line[0].isspace() and line[0] not in ")]}"
