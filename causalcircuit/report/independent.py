"""Answers of `check X _||_ Y | Z in G` for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from causalcircuit.query.independence import Independent
from causalcircuit.report.details import grid
from causalcircuit.report.safe import words

_INDENT = 2


def independent_block(found: Sequence[Independent], brief: bool) -> Group:
    """What one diagram says of some independences."""
    indent = (0, 0, 0, _INDENT)
    head = words(f"independences in {found[0].graph}", "bold underline")
    return Group(head, *(Padding(Group(*_one(each, brief)), indent) for each in found))


def _one(found: Independent, brief: bool) -> Iterator[RenderableType]:
    verdict = Text("implied", "green") if found.implied else Text("not implied", "bold red")
    yield words(str(found), "bold") + Text(" · ") + verdict
    if found.implied or brief:
        return
    lines = [("open path", words(found.path)), *(("since", words(w)) for w in found.why)]
    lines.append(("implied is", words(found.instead)) if found.instead else ("separated by", words("no set")))
    yield Padding(grid(lines), (0, 0, 0, _INDENT))
