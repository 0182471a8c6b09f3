"""Answers of `discover` for a terminal: the edges of a pattern, and how many resamples have them."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from causalcircuit.query.discovery import Discovered
from causalcircuit.report.details import grid
from causalcircuit.report.figures import count
from causalcircuit.report.safe import words

_INDENT = 2


def discovered_block(found: Discovered, brief: bool) -> Group:
    """Everything about one pattern."""
    indent = (0, 0, 0, _INDENT)
    rows = count(found.n, "row") + (f" in {count(found.units, 'cluster')}" if found.units else "")
    head = words(f"{found.name} on {found.data}", "bold underline") + words(f" · {rows}")
    parts: list[RenderableType] = [head, Padding(_edges(found), indent)]
    if brief:
        return Group(*parts)
    lines = [("by", words(f"{found.method}; {found.resamples} resamples, seed {found.seed}"))]
    if found.forbidden:
        lines.append(("ruled out", words(", ".join(f"{a} -> {b}" for a, b in found.forbidden) + ", by the wiring")))
    lines += [("also", words(f"{a}, {b}: joined in {share:.0%}")) for a, b, share in found.missed]
    lines += [("note", words(n)) for n in found.notes]
    return Group(*parts, Text(), Padding(grid(lines), indent))


def _edges(found: Discovered) -> RenderableType:
    if not found.edges:
        return words("no edges")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("edge", no_wrap=True)
    for name in ("joined", "this way", "back"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for e in found.edges:
        mark = Text("not in the wiring", "bold red") if e.against else Text()
        table.add_row(words(str(e)), f"{e.there:.0%}", f"{e.forward:.0%}", f"{e.backward:.0%}", mark)
    return table
