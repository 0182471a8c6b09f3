"""What `show` found, for a terminal: heat maps, the table sorted by strength, and the lines that explain them."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from causalcircuit.query.showing import Shown
from causalcircuit.report.blocks import swept
from causalcircuit.report.details import details, grid, trouble
from causalcircuit.report.figures import count
from causalcircuit.report.heat import heat
from causalcircuit.report.safe import words
from causalcircuit.report.tables import shown_table

_STRONGEST = 10
_INDENT = 2


def shown_block(shown: Shown, width: int, brief: bool) -> Group:
    """Everything about one head of a `show` statement."""
    indent = (0, 0, 0, _INDENT)
    order = shown.order()
    listed = order[:_STRONGEST] if shown.panels else order
    parts: list[RenderableType] = [_head(shown)]
    if shown.panels:
        parts += [Padding(Group(*heat(shown, width - _INDENT)), indent), Text()]
    parts.append(Padding(shown_table(shown, listed, width - _INDENT), indent))
    if len(listed) < len(order):
        more = f"and {len(order) - len(listed)} weaker ones: `as table` and `--format json` have them all"
        parts.append(Padding(Text(more, "dim"), indent))
    lines = [*trouble(shown.estimates), *_family(shown), *([] if brief else _told(shown))]
    if lines:
        parts += [Text(), Padding(grid(lines), indent)]
    return Group(*parts)


def _head(shown: Shown) -> Text:
    first = shown.estimates[0]
    facts = []
    if len({(e.n, e.clusters) for e in shown.estimates}) == 1:
        facts.append(count(first.n, "row") + (f" in {count(first.clusters, 'cluster')}" if first.clusters else ""))
    facts += [shown.standing] if shown.standing else []
    facts += [f"for each {axis}" for axis in swept(shown.estimates)]
    said = words(f"{shown.name} on {shown.data}", "bold underline")
    return said + words("".join(f" · {f}" for f in facts))


def _family(shown: Shown) -> list[tuple[str, Text]]:
    """How the numbers of a family bear on each other, and who is no part of it."""
    out: list[tuple[str, Text]] = []
    if shown.left_out:
        few, more = shown.left_out[:4], len(shown.left_out) - 4
        said = ", ".join(few) + (f" and {more} more" if more > 0 else "")
        out.append(("left out", words(f"no path to what is read, an effect of 0 by wiring: {said}")))
    if shown.family > 1 and any(e.interval is not None for e in shown.estimates):
        joint = shown.correction == "max_t"
        how = "max-t: as the estimates vary together" if joint else "Bonferroni"
        out.append(("family", words(f"{shown.family} intervals hold together ({how})")))
        if shown.p:
            out.append(
                ("", words(f"p: two-sided, that it is 0; adjusted by {'max-t, step-down' if joint else 'Holm'}"))
            )
    return out


def _told(shown: Shown) -> list[tuple[str, Text]]:
    return details(shown.estimates)
