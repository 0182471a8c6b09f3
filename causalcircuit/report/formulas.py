"""The estimands of a block in symbols, and what the names in them stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.text import Text

from causalcircuit.query.each import SEEN
from causalcircuit.query.regimes import BY
from causalcircuit.report.blocks import Answer, shared_ends, swept
from causalcircuit.report.safe import words


def formulas(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """A line for each formula and for each name in them.

    The member of a sweep is written as the sweep's own name, so that one formula stands for all.
    """
    over = swept(block)
    found: dict[str, str] = {}
    where: dict[str, None] = {}
    for x in block:
        found.setdefault(generic(x.symbols or x.estimand, x), x.name)
        where.update({f"{name} = {generic(text, x)}": None for name, text in x.where if text not in _members(x)})
    if over:
        lines = [next(iter(found)) + (f", and so on for each {', '.join(over)}" if len(found) > 1 else "")]
    else:
        lines = [formula if name == formula else f"{name} = {formula}" for formula, name in found.items()]
    ends = {axis: shared_ends(block, axis) for axis in over}
    members = [f"{axis} = {before}…{after}" for axis, (before, after) in ends.items() if before or after]
    return labelled("estimand", lines) + labelled("where", [*members, *where])


def generic(text: str, x: Answer) -> str:
    """`text` with the member of a sweep, and declared names of that member, written as the sweep's name."""
    members = _members(x)
    for name, meaning in x.where:
        if meaning in members:
            text = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", members[meaning], text)
    for member, axis in members.items():
        text = text.replace(member, axis)
    return text


def labelled(name: str, lines: Iterable[str]) -> list[tuple[str, Text]]:
    """Lines under one label."""
    return [(name, words(line)) for line in lines]


def _members(x: Answer) -> dict[str, str]:
    return {value: axis for axis, value in x.at if not axis.startswith("row.") and axis not in (SEEN, BY)}
