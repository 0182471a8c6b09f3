"""What stands behind the numbers of a block: formulas, names, method, target, assumptions, cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from causalcircuit.query import Estimate, Tested
from causalcircuit.report.blocks import Answer, by_text, label, shared_ends, swept
from causalcircuit.report.figures import count
from causalcircuit.report.safe import words

_SEVERITY = {"error": "red", "warning": "yellow", "note": "cyan"}


def trouble(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """Why values or intervals are missing, and where verdicts and intervals part: never left out."""
    out: list[tuple[str, Text]] = []
    for x in block:
        reason = x.reason.removeprefix("undefined: ")
        if x.value is None:
            out.append(("undefined:", words(f"{label(x)}: {reason}")))
        elif x.interval is None and reason:
            out.append(("no interval:", words(f"{label(x)}: {reason}")))
    out += [("note", words(t)) for t in by_text(block, lambda x: [x.note] if isinstance(x, Tested) and x.note else [])]
    return out


def details(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """Labelled lines: what all answers share is said once, what only some have names them."""
    out = _formulas(block)
    first = block[0]
    if isinstance(first, Estimate):
        out += _labelled("regime", by_text(block, lambda x: [x.regime] if isinstance(x, Estimate) else []))
    out += _labelled("target", by_text(block, lambda x: [x.target] if x.target else []))
    if isinstance(first, Tested) and first.correction != "none" and len(block) > 1:
        out.append(("interval", words("they hold together for all claims, so they may be wider than a verdict needs")))
    out += _labelled("method", by_text(block, lambda x: [x.method] if x.method else []))
    out += _labelled("assuming", by_text(block, lambda x: x.assumptions))
    out += [("cost", words(c)) for c in [_cost(first)] if c]
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
        out += _labelled(severity, found)
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


def _labelled(name: str, lines: Iterable[str]) -> list[tuple[str, Text]]:
    return [(name, words(line)) for line in lines]


def _formulas(block: Sequence[Answer]) -> list[tuple[str, Text]]:
    """The estimands in symbols and what their names stand for.

    The member of a sweep is written as the sweep's own name, so that one formula stands for all.
    """
    over = swept(block)
    formulas: dict[str, str] = {}
    where: dict[str, None] = {}
    for x in block:
        formulas.setdefault(_generic(x.symbols or x.estimand, x), x.name)
        where.update({f"{name} = {_generic(text, x)}": None for name, text in x.where})
    if over:
        lines = [next(iter(formulas)) + (f", and so on for each {', '.join(over)}" if len(formulas) > 1 else "")]
    else:
        lines = [formula if name == formula else f"{name} = {formula}" for formula, name in formulas.items()]
    ends = {axis: shared_ends(block, axis) for axis in over}
    members = [f"{axis} = {before}…{after}" for axis, (before, after) in ends.items() if before or after]
    return _labelled("estimand", lines) + _labelled("where", [*members, *where])


def _generic(text: str, x: Answer) -> str:
    for axis, value in x.at:
        if not axis.startswith("row."):
            text = text.replace(value, axis)
    return text


def _cost(x: Answer) -> str:
    """The cost of the run that the answer came from, which it shares with others on the same data."""
    parts = []
    if "row_passes" in x.cost:
        shared = f" for all questions on {x.data}" if x.data else ""
        parts.append(count(x.cost["row_passes"], "pass", "passes") + f" (rows × worlds){shared}")
    if "seconds" in x.cost:
        parts.append(f"{x.cost['seconds']:.2g} s" if x.cost["seconds"] < 100 else f"{x.cost['seconds']:,.0f} s")
    return ", ".join(parts)
