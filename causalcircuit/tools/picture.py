"""Circuits and heat maps as pages: `cq picture`, and `cq run --html`."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error, warning
from causalcircuit.query import Result
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits import read
from causalcircuit.query.circuits.typical import TypicalRow
from causalcircuit.report.figures_page import heat_maps
from causalcircuit.report.graph import page
from causalcircuit.tools import exits, streams

_LONGEST = 60


def picture(circuit: Path, html: Path, title: str | None = None) -> int:
    """Draw a circuit of a file as a page, and return the exit code."""
    try:
        _write(html, page(read(circuit), title=title))
    except DiagnosticError as problem:
        streams.complain(problem.diagnostics)
        return exits.BEFORE
    streams.say(f"written: {html}")
    return exits.OK


def pages(result: Result, html: Path) -> tuple[list[Path], tuple[Diagnostic, ...]]:
    """A page for each circuit that a program shows, and one for all its heat maps: the files, and what is to be said.

    The only page is `html` itself; of several, each has a number and what it shows behind the file's name.

    Raises:
        DiagnosticError: CQ782, a page cannot be written.
    """
    circuits: list[tuple[Circuit, TypicalRow | None]] = []
    for shown in result.circuits:
        for circuit, row in zip_longest(shown.circuits, shown.rows):
            if all(circuit != c for c, _ in circuits):  # shown twice; two of one name, of two files, stay two
                circuits.append((circuit, row))
    found = [(c.name, page(c, row=row)) for c, row in circuits]
    maps = heat_maps(result)
    found += [("heat-maps", maps)] if maps is not None else []
    if not found:
        said = "`--html` draws the circuits and heat maps that a program shows, and it shows none"
        return [], (warning("CQ783", said, help="show one: `show C`, or `show effect(H) … as heatmap`"),)
    paths = [html] if len(found) == 1 else [_beside(html, name, i) for i, (name, _) in enumerate(found, 1)]
    for path, (_, text) in zip(paths, found, strict=True):
        _write(path, text)
    return paths, ()


def _beside(html: Path, name: str, number: int) -> Path:
    plain = re.sub(r"[^\w.]+", "-", name).strip("-.")[:_LONGEST]
    return html.with_name(f"{html.stem}-{number}-{plain or 'circuit'}{html.suffix}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error("CQ782", f"`{path}` cannot be written: {why}", help="name a file in a folder that exists") from None
