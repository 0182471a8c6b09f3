"""Answers of `check S` for a terminal: tests of the diagram, strengths of the arrows, what was not intervened on."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from causalcircuit.query.examination import Examined, Figure, Implied
from causalcircuit.report.details import grid
from causalcircuit.report.figures import bounds, count, decimals, figure, p_value, percent
from causalcircuit.report.safe import words

_INDENT = 2


def examined_block(found: Examined, brief: bool) -> Group:
    """Everything that rows say of one model."""
    indent = (0, 0, 0, _INDENT)
    rows = count(found.n, "row") + (f" in {count(found.clusters, 'cluster')}" if found.clusters else "")
    head = words(f"{found.name} of {found.graph} on {found.data}", "bold underline") + words(f" · {rows}")
    parts: list[RenderableType] = [head, Padding(_verdict(found), indent)]
    tested = [t for t in found.tests if t.p is not None]
    if tested:
        parts.append(Padding(_tests(tested, found.alpha), indent))
    weighed = [a for a in found.arrows if a.slope is not None and a.share is not None]
    if weighed:
        parts += [] if brief else [Text()]
        parts.append(Padding(_arrows(found), indent))
    lines = _grouped("not tested", ((str(t), t.reason) for t in found.tests if t.p is None))
    lines += _grouped("no strength", ((str(a), a.reason) for a in found.arrows if a.slope is None))
    lines += [("no strength", words(found.unweighed))] if found.unweighed else []
    figures = [(str(a), f) for a in found.arrows for f in (a.slope, a.share) if f is not None]
    lines += _grouped("no interval", ((name, f.reason) for name, f in figures if f.interval is None and f.reason))
    lines += _grouped("not intervened on", found.skipped)
    if not brief:
        tests = f"{len(tested)} tests" if len(tested) > 1 else "one test"
        lines += [("method", words(f"Holm over {tests}, alpha {found.alpha:g}"))] if tested else []
        lines += [("share", words("slope^2 * Var(cause) / Var(effect), which need not add up to 1"))] if weighed else []
        lines += [("note", words(n)) for n in found.notes]
        lines += [(d.severity, words(f"{d.message} [{d.code}]")) for d in found.diagnostics]
    return Group(*parts, *([] if brief else [Text()]), Padding(grid(lines), indent)) if lines else Group(*parts)


def _grouped(label: str, each: Iterable[tuple[str, str]]) -> list[tuple[str, Text]]:
    """A line for each reason, which names all that it is the reason of."""
    by_reason: dict[str, dict[str, None]] = {}
    for name, reason in each:
        by_reason.setdefault(reason, {})[name] = None
    return [(label, words(f"{'; '.join(names)}: {reason}")) for reason, names in by_reason.items()]


def _verdict(found: Examined) -> Text:
    tested = any(t.p is not None for t in found.tests)
    return words(found.verdict, "bold red" if found.contradicted else "green" if tested else "")


def _tests(tests: list[Implied], alpha: float) -> Table:
    table = _plain("implied", ("correlation", "p", "adjusted"))
    for t in tests:
        failed = t.p_adjusted is not None and t.p_adjusted < alpha
        cells = ("" if t.correlation is None else f"{t.correlation:.2f}", p_value(t.p))
        table.add_row(words(str(t)), *cells, Text(p_value(t.p_adjusted), "bold red" if failed else ""))
    return table


def _arrows(found: Examined) -> Table:
    level = f"{percent(found.level)} interval"
    table = _plain("arrow", ("slope", level, "share", level))
    for a in found.arrows:
        if a.slope is not None and a.share is not None:
            table.add_row(words(str(a)), *_cells(a.slope), *_cells(a.share))
    return table


def _cells(one: Figure) -> tuple[str, str]:
    if one.value is None:
        return "undefined", ""
    places = decimals(one.value, one.interval)
    return figure(one.value, places), "" if one.interval is None else bounds(one.interval, places)


def _plain(first: str, others: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
