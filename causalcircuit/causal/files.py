"""Diagrams in files: DOT and dagitty, read by what is in them and written by the file's suffix."""

from __future__ import annotations

from pathlib import Path

from causalcircuit.causal.diagram import Diagram
from causalcircuit.causal.writing import to_dagitty, to_dot
from causalcircuit.diagnostics import DiagnosticError, Span, error, instead_of

DOT = (".dot", ".gv")
DAGITTY = (".dagitty", ".txt")
SUFFIXES = (*DOT, *DAGITTY)
_LARGEST = 1 << 24


def check_suffix(path: Path, span: Span | None = None) -> None:
    """Refuse a file that no diagram is read from or written to.

    Raises:
        DiagnosticError: CQ293.
    """
    if path.suffix not in SUFFIXES:
        known = f"DOT as {' and '.join(f'`{s}`' for s in DOT)}, dagitty as {' and '.join(f'`{s}`' for s in DAGITTY)}"
        what = f"`{path.name}` ends in no suffix of diagrams"
        raise error("CQ293", what, span, "this file", help=f"diagrams are {known}")


def read(path: Path, span: Span | None = None) -> Diagram:
    """A diagram from a file.

    Raises:
        DiagnosticError: CQ293, it cannot be read; CQ834, it holds no diagram; CQ830 to CQ832, what is wrong with that.
    """
    check_suffix(path, span)
    try:
        if path.stat().st_size > _LARGEST:
            raise error("CQ293", f"`{path.name}` is larger than 16 MiB", span, "this file", help="name another file")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = instead_of(path.name, (p.name for s in SUFFIXES for p in path.parent.glob(f"*{s}")))
        ways = (near, f"looked for {path}", "paths are relative to the file that names them")
        raise error("CQ293", f"the file `{path.name}` does not exist", span, "this file", help=ways) from None
    except UnicodeDecodeError:
        way = "save it as text in UTF-8"
        raise error("CQ293", f"`{path.name}` is no text in UTF-8", span, "this file", help=way) from None
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ293", f"`{path.name}` cannot be read: {why}", span, "this file", help="name a file") from None
    if not text.strip():
        raise error("CQ293", f"`{path.name}` is empty", span, "this file", help="name another file")
    try:
        return Diagram.read(text)
    except DiagnosticError as problem:
        raise DiagnosticError(*(d.at(span) for d in problem.diagnostics)) from None


def text_of(diagram: Diagram, suffix: str) -> str:
    """What a file of this suffix holds."""
    return (to_dot(diagram) if suffix in DOT else to_dagitty(diagram)) + "\n"


def write(text: str, path: Path, span: Span | None = None) -> None:
    """Write the text of a diagram to a file, whole or not at all.

    Raises:
        DiagnosticError: CQ845, it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.partial")  # so that a reader never sees half
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ845", f"`{path}` cannot be written: {why}", span, help="name another folder") from None
