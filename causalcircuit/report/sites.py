"""A listing of sites as text for a terminal, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from causalcircuit.query.listing import Listing, Section, SiteRow
from causalcircuit.report.paper import paper, written
from causalcircuit.report.safe import words

_COLOURS = {"proven": "green", "inferred": "cyan", "refused": "red", "unread": "yellow"}
_MEANINGS = {
    "proven": "observed, assigned and differentiated when the model was loaded",
    "inferred": "as in the layers that are proven; proven itself at its first assignment",
    "unread": "nothing that the output depends on reads it: an assignment has no effect",
    "refused": "failed a clause of the hook contract",
}


def sites_text(listing: Listing, *, width: int = 100, colour: bool = False, ascii_only: bool = False) -> str:
    """A listing as text, its last line ended.

    Args:
        listing: what to print. width: of the text in cells.
        colour: whether to use the colours of a terminal. ascii_only: for outputs that know no other characters.
    """
    console, out = paper(max(60, width), colour=colour)
    console.print(Text.assemble((listing.model, "bold"), f"  {listing.family}; {', '.join(listing.settings)}"))
    console.print(words(f"inputs: {', '.join(listing.inputs)}"))
    if listing.readouts:
        console.print(words(f"readouts: {', '.join(listing.readouts)}"))
    for tower in listing.towers:
        console.print()
        _section(console, tower)
    console.print()
    for name, said in listing.positions:
        console.print(words(f"positions of {name}: {said}"))
    met = {row.status for tower in listing.towers for row in _rows(tower)}
    for status, meaning in _MEANINGS.items():
        if status in met:
            console.print(Text.assemble((f"{status:8}", _COLOURS[status]), f"  {meaning}"))
    return written(out, ascii_only)


def sites_json(listing: Listing) -> str:
    """The same for machines: `schema` 1."""
    content: dict[str, Any] = {"schema": 1, **asdict(listing)}
    return json.dumps(content, indent=2)


def all_sites_json(listings: Iterable[Listing]) -> str:
    """Those of all models of a file."""
    content: dict[str, Any] = {"schema": 1, "models": [asdict(found) for found in listings]}
    return json.dumps(content, indent=2)


def _section(console: Console, tower: Section) -> None:
    console.print(Text(tower.title, style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section in tower.sections:
        indent = "  "
        if section.title:
            table.add_row(Text(f"  {section.title}"))
            indent = "    "
        for row in section.rows:
            table.add_row(*_cells(row, indent))
    for name, reason in tower.absent:
        table.add_row(Text(f"  no {name}", style="dim"), "", "", words(reason, "dim"))
    console.print(table)


def _cells(row: SiteRow, indent: str) -> Iterator[Text]:
    yield Text(f"{indent}{row.address}")
    yield Text(f"{row.positions} × {row.width}", style="dim")
    yield Text(row.status, style=_COLOURS[row.status])
    yield words("; ".join(filter(None, (row.reason, row.gradient and f"no gradient: {row.gradient}"))))


def _rows(section: Section) -> Iterator[SiteRow]:
    yield from section.rows
    for inner in section.sections:
        yield from _rows(inner)
