"""Circuits as pages: `cq picture`, and `cq run --html`."""

from __future__ import annotations

import re
from pathlib import Path

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error, warning
from causalcircuit.query import Result
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import read
from causalcircuit.report.graph import write
from causalcircuit.tools import exits, streams

_LONGEST = 60


def picture(circuit: Path, html: Path, title: str | None = None) -> int:
    """Draw a circuit of a file as a page, and return the exit code."""
    try:
        _written(read(circuit), html, title)
    except DiagnosticError as problem:
        streams.complain(problem.diagnostics)
        return exits.BEFORE
    streams.say(f"written: {html}")
    return exits.OK


def pages(result: Result, html: Path) -> tuple[list[Path], tuple[Diagnostic, ...]]:
    """A page for each circuit that a program shows: the files, and what is to be said of them.

    The only one is `html` itself; of several, each has its circuit's name behind that of the file.

    Raises:
        DiagnosticError: CQ782, a page cannot be written.
    """
    found = list({c.name: c for shown in result.circuits for c in shown.circuits}.values())
    if not found:
        way = "show one: `show C`; heat maps are written by `--out DIR`"
        return [], (warning("CQ783", "`--html` draws the circuits that a program shows, and it shows none", help=way),)
    paths = [html] if len(found) == 1 else [_beside(html, c.name, i) for i, c in enumerate(found, 1)]
    for path, circuit in zip(paths, found, strict=True):
        _written(circuit, path)
    return paths, ()


def _beside(html: Path, name: str, number: int) -> Path:
    plain = re.sub(r"[^\w.]+", "-", name).strip("-.")[:_LONGEST]
    return html.with_name(f"{html.stem}-{number}-{plain or 'circuit'}{html.suffix}")


def _written(circuit: Circuit, path: Path, title: str | None = None) -> None:
    try:
        write(path, circuit, title=title)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ782", f"`{path}` cannot be written: {why}", help="name a file in a folder that exists") from None
