"""What stands behind the numbers of a block: formulas, names, method, target, assumptions, cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from rich.table import Table
from rich.text import Text

from causalcircuit.query import Estimate, Tested
from causalcircuit.query.families import intervals_of
from causalcircuit.query.regimes import BY
from causalcircuit.query.until import Stopped
from causalcircuit.report.blocks import Answer, axes_of, by_text, label
from causalcircuit.report.figures import count, p_value, percent
from causalcircuit.report.formulas import formulas, generic, labelled
from causalcircuit.report.safe import words

_SEVERITY = {"error": "red", "warning": "yellow", "note": "cyan"}


def trouble(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """Why values or intervals are missing, and where verdicts and intervals part: never left out."""
    out: list[tuple[str, Text]] = []
    for x in block:
        reason = x.reason.removeprefix("undefined: ")
        if isinstance(x, Estimate) and x.bounds is not None:
            continue
        if _set(x):
            reason = f"{reason}; {_set(x)}" if reason else _set(x)
        if x.value is None:
            out.append(("undefined:", words(f"{label(x)}: {reason}")))
        elif x.interval is None and reason:
            out.append(("no interval:", words(f"{label(x)}: {reason}")))
    out += [("note", words(t)) for t in by_text(block, lambda x: [x.note] if isinstance(x, Tested) and x.note else [])]
    return out


def details(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """Labelled lines: what all answers share is said once, what only some have names them."""
    first = block[0]
    out = formulas(block)
    if isinstance(first, Estimate):
        if BY not in axes_of(block):
            out += labelled("regime", by_text(block, lambda x: [x.regime] if isinstance(x, Estimate) else []))
    else:
        out += _family(block)
    out += labelled(
        "identified", by_text(block, lambda x: [x.formula] if isinstance(x, Estimate) and x.formula else [])
    )
    out += labelled("target", by_text(block, lambda x: [x.target] if x.target else []))
    out += labelled("stopped", by_text(block, lambda x: [stopped_text(x.stopped)] if x.stopped is not None else []))
    out += labelled("method", by_text(block, lambda x: [x.method] if x.method else []))
    out += labelled("assuming", by_text(block, lambda x: [generic(a, x) for a in x.assumptions]))
    out += labelled("figures", by_text(block, _figures))
    out += labelled("against", by_text(block, _refutations))
    return out + labelled("cost", [c for c in [_cost(first)] if c])


def _figures(x: Answer) -> list[str]:
    """What the rows say besides, such as overlap."""
    if not isinstance(x, Estimate):
        return []
    return [f"{name}: {value:.3g}" for name, value in x.figures]


def _refutations(x: Answer) -> list[str]:
    """What attempts to refute an answer found: what was done, what was to be expected, what came of it."""
    if not isinstance(x, Estimate):
        return []
    return [
        f"{r.refuter}, {r.verdict}: {r.what}. Expected: {r.expected}. Before {r.before:.3g}, "
        f"{f'after {r.after:.3g}' if isfinite(r.after) else 'none after'}: {r.said}"
        for r in x.refutations
    ]


def _set(x: Answer) -> str:
    """A confidence set that is no interval of two ends."""
    if not isinstance(x, Estimate) or not x.region:
        return ""
    ends = [f"({end(p.low)}, {end(p.high)})" for p in x.region]
    return f"the {percent(x.level)} set is {' and '.join(ends)}"


def end(value: float) -> str:
    """An end of a set, which may be infinite."""
    return f"{value:.3g}" if isfinite(value) else ("-∞" if value < 0 else "∞")


def stopped_text(stopped: Stopped) -> str:
    """Where a run with a stopping rule ended, and what that saved."""
    units = "" if stopped.clusters_used is None else f" in {stopped.clusters_used} of {stopped.clusters_there} clusters"
    saved = f", {1 - stopped.used / stopped.there:.0%} saved" if stopped.used < stopped.there else ""
    how = "held" if stopped.met else "did not hold"
    text = f"`{stopped.rule}` {how} after {stopped.used} of {stopped.there} rows{units}{saved}, at look {stopped.looks}"
    if stopped.fixed is None:
        return text
    return f"{text}; an interval of a number of rows fixed beforehand would need about {stopped.fixed}"


def _family(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """How the claims of a family bear on each other, and what refuted claims are refuted by."""
    tested = [x for x in block if isinstance(x, Tested)]
    out: list[tuple[str, Text]] = []
    if len(tested) > 1 and tested[0].correction != "none":
        out.append(("intervals", words(intervals_of(tested[0].correction))))
    against = [t.p_refute_adjusted for t in tested if t.verdict == "refuted" and t.p_refute_adjusted is not None]
    if against:
        largest = "largest " if len(against) > 1 else ""
        out.append(("refuted", words(f"{largest}adjusted p of the opposite: {p_value(max(against))}")))
    return out


def news(lines: Sequence[tuple[str, Text]], before: Sequence[tuple[str, Text]]) -> list[tuple[str, Text]]:
    """The lines less those that the block before has just said, whose labels are named instead."""
    told, now = _by_label(before), _by_label(lines)
    same = [name for name, texts in now.items() if texts == told.get(name)]
    if "where" in now and set(now["where"]) <= set(told.get("where", ())):
        same = [name for name in now if name in same or name == "where"]
    if not same:
        return list(lines)
    return [*(line for line in lines if line[0] not in same), ("as above", words(", ".join(same)))]


def _by_label(lines: Sequence[tuple[str, Text]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, text in lines:
        out.setdefault(name, []).append(text.plain)
    return out


def claims(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """The words of named hypotheses: what is claimed and why."""
    told = [t for t in block if isinstance(t, Tested) and (t.title or t.because)]
    return [("claim", words(f"{t.name}: {t.title}" + (f" (because {t.because})" if t.because else ""))) for t in told]


def remarks(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """Warnings and notes of a block, with their codes."""
    out: list[tuple[str, Text]] = []
    for severity in _SEVERITY:
        found = by_text(block, lambda x: [f"{d.message} [{d.code}]" for d in x.diagnostics if d.severity == severity])  # noqa: B023
        out += labelled(severity, found)
    return out


def grid(lines: Iterable[tuple[str, Text]]) -> Table:
    """Labels on the left, texts folded on the right; a label is said once for its neighbours."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    said = ""
    for name, text in lines:
        table.add_row(Text("" if name == said else name, style=_SEVERITY.get(name, "dim")), text)
        said = name
    return table


def _cost(x: Answer) -> str:
    """The cost of the run that the answer came from, which it shares with others on the same data."""
    parts = []
    if "row_passes" in x.cost:
        shared = f" for all questions on {x.data}" if x.data else ""
        parts.append(count(x.cost["row_passes"], "pass", "passes") + f" (rows × worlds){shared}")
    if "seconds" in x.cost:
        parts.append(f"{x.cost['seconds']:.2g} s" if x.cost["seconds"] < 100 else f"{x.cost['seconds']:,.0f} s")
    return ", ".join(parts)
