"""The power of questions, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from causalcircuit.query.forecast import Question
from causalcircuit.query.power import Power
from causalcircuit.report.figures import count
from causalcircuit.report.safe import words

_MOST = 24


def power_table(questions: Sequence[Question], width: int) -> Table:
    """The chance of each verdict, the units that are enough, and what could be shown with those at hand."""
    known = [q.power for q in questions if q.power is not None]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("power", overflow="fold", max_width=max(18, width // 4))
    table.add_column("supported", justify="right", no_wrap=True)
    table.add_column("refuted", justify="right", no_wrap=True)
    table.add_column("open", justify="right", no_wrap=True)
    target = f"{100 * known[0].target:g}%" if known else ""
    table.add_column(f"{known[0].counted} for {target}" if known else "", justify="right", overflow="fold")
    table.add_column(f"shown at {target}", justify="right", overflow="fold")
    groups = [list(g) for _, g in groupby(questions, lambda q: (q.name, bool(q.at), q.power and q.power.region))]
    shown = groups if len(groups) <= _MOST else groups[: _MOST - 1]
    for group in shown:
        found = [q.power for q in group if q.power is not None]
        if found:
            table.add_row(*_line(group, found))
    if len(shown) < len(groups):
        table.add_row(Text(f"… {len(groups) - len(shown)} more", "dim"))
    return table


def _line(group: Sequence[Question], found: Sequence[Power]) -> Iterator[Text]:
    first = found[0]
    members = f", {len(group)} members" if len(group) > 1 else "".join(f", {v}" for _, v in group[0].at)
    said = "" if group[0].name.endswith(first.region) else f"  {first.region}"
    yield words(group[0].name) + Text(members, "dim") + Text(said, "cyan")
    known = [p for p in found if p.supported is not None]
    for part in ("supported", "refuted", "inconclusive"):
        yield Text(_percent([getattr(p, part) for p in known]) if known else "unknown", "" if known else "yellow")
    yield Text(_needed(known))
    ends = list(dict.fromkeys(f"{x:.3g}" for p in known for x in p.detectable))
    if len(known) > 1 and len(ends) > 2:
        values = [x for p in known for x in p.detectable]
        yield Text(f"{min(values):.3g} to {max(values):.3g} {first.unit}".rstrip())
    else:
        between = " to " if first.region.startswith("within") else " or "
        yield Text(f"{between.join(ends)} {first.unit}".strip() if ends else "" if not known else "nothing")


def _percent(values: Sequence[float]) -> str:
    low, high = (f"{100 * x:.0f}%" for x in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _needed(known: Sequence[Power]) -> str:
    """Units that are enough; in parentheses, where the spread is at its upper bound; of clusters, their rows too."""
    if not known:
        return ""
    if len(known) > 1:
        enough = [p.needed for p in known if p.needed is not None]
        never = f", {len(known) - len(enough)} never" if len(enough) < len(known) else ""
        return f"{min(enough):,} to {max(enough):,}{never}" if enough else "never"
    (power,) = known
    if power.needed is None:
        return "never"
    worst = "" if power.needed_at_worst is None else f" (at worst {power.needed_at_worst:,})"
    of = f", {count(power.rows(power.needed), 'row')}" if power.counted == "clusters" else ""
    return f"{power.needed:,}{worst}{of}"


def power_remarks(questions: Sequence[Question]) -> Iterator[tuple[str, str]]:
    """What the figures rest on, each thing once."""
    found = [q for q in questions if q.power is not None]
    for why in dict.fromkeys(q.power.why for q in found if q.power is not None):
        own = list(dict.fromkeys(q.name for q in found if q.power is not None and q.power.why == why))
        whose = "" if len(own) == len({q.name for q in found}) else f" of {', '.join(own[:3])}"
        yield f"power{whose}{' …' if whose and len(own) > 3 else ''}", why
