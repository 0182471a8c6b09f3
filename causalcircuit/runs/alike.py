"""Rows that are taken for independent and share an image, a prompt template, or a column that says who they are."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, warning
from causalcircuit.inference import contributions, sample_of, shared
from causalcircuit.query import Column, Command, Input, OutcomeTable, Query, columns, compile_estimand, walk
from causalcircuit.query.algebra import world_in

FEWEST_ROWS, FEWEST_GROUPS = 20, 10
SURE, WIDER = 1e-3, 1.1
"""A column is named if chance gives such groups less often, over the columns, and intervals would be as much wider."""
_MOST_TEXT = 2_000_000
_NAMES = {"prompt": "input", "text": "input", "image": "image"}


def alike(data: rows.Dataset, table: OutcomeTable, asked: Iterable[Command]) -> list[Diagnostic]:
    """CQ917 where inputs are shared, CQ918 where a column explains what is estimated; each once for a data set."""
    commands = [c for c in asked if not c.options.population]
    if data.ref.cluster is not None or table.n < FEWEST_ROWS or not commands:
        return []
    place = {row: i for i, row in enumerate(data.rows)}
    kept = data.take([place[int(r)] for r in table.rows])
    queries = [q for c in commands for q in queries_of(c)]
    found = next(iter(_inputs(kept, queries)), None) or next(iter(_explaining(kept, table, commands, queries)), None)
    return [] if found is None else [found.at(commands[0].span)]


# ---------------------------------------------------------------- inputs
def _inputs(data: rows.Dataset, queries: Sequence[Query]) -> Iterator[Diagnostic]:
    for name, channel in _feeding(data, queries).items():
        values = data.columns[name]
        if not all(isinstance(v, str) for v in values):
            continue
        groups = _pictures(data, values) if channel == "image" else _templates(values)
        sizes = Counter(groups)
        doubled = sum(size for size in sizes.values() if size > 1)
        if doubled >= 0.1 * data.n and len(sizes) > 1:
            yield _sharing(data, name, channel, groups, doubled)


def _feeding(data: rows.Dataset, queries: Sequence[Query]) -> dict[str, str]:
    """The columns that feed a model's text or image, in these questions or by themselves."""
    out = {e.name: _NAMES[c] for c, e in data.ref.feeds if isinstance(e, Column) and c in _NAMES}
    out |= {name: channel for name, channel in _NAMES.items() if name in data.columns}
    for query in queries:
        for world in filter(None, map(world_in, walk(query.expr))):
            for a in world.assignments:
                if (
                    isinstance(a.target, Input)
                    and isinstance(a.value, Column)
                    and a.target.channel in ("input", "image")
                ):
                    out[a.value.name] = a.target.channel
    return {name: channel for name, channel in out.items() if name in data.columns}


def _pictures(data: rows.Dataset, values: Sequence[str]) -> list[Hashable]:
    """What picture each row shows: files of the same bytes are one."""
    files = {v: data.resolve(v) for v in dict.fromkeys(values)}
    sizes = {v: _size(path) for v, path in files.items()}
    twins = Counter(sizes.values())
    seen = {v: _digest(path) if twins[sizes[v]] > 1 else str(path) for v, path in files.items()}
    return [seen[v] or str(files[v]) for v in values]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None  # the model's own reading says what is wrong with it


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _templates(values: Sequence[str]) -> list[Hashable]:
    """A number for each row: texts that are equal, or differ in one word, have the same."""
    group = list(range(len(values)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    words = [v.split() for v in values]
    first: dict[Hashable, int] = {}
    long = sum(len(w) ** 2 for w in words) > _MOST_TEXT
    for i, own in enumerate(words):
        keys: list[Hashable] = [tuple(own)]
        if not long and len(own) > 2:
            keys += [(k, *own[:k], None, *own[k + 1 :]) for k in range(len(own))]
        for key in keys:
            group[root(i)] = root(first.setdefault(key, i))
    return [root(i) for i in range(len(values))]


def _sharing(data: rows.Dataset, name: str, channel: str, groups: list[Hashable], doubled: int) -> Diagnostic:
    what = "show an image that another row shows too" if channel == "image" else "share their text up to one word"
    said = f"{doubled} of {data.n} rows of `{data.ref.label}` {what} (`row.{name}`), and are taken for independent"
    column = _column_of(data, groups, name)
    way = f"write `cluster row.{column}`" if column else "number what is shared in a column, and write `cluster row.…`"
    return warning("CQ917", said, help=f"{way}: intervals of alike rows are too narrow")


def _column_of(data: rows.Dataset, groups: list[Hashable], own: str) -> str | None:
    """The finest column whose values no group divides: its rows are alike together."""
    fits = []
    for name, values in data.columns.items():
        if not all(isinstance(v, str | int) for v in values):
            continue
        inside: dict[Hashable, set[Any]] = defaultdict(set)
        for g, v in zip(groups, values, strict=True):
            inside[g].add(v)
        distinct = len(set(values))
        if all(len(v) == 1 for v in inside.values()) and 1 < distinct < data.n:
            fits.append((-distinct, name != own, name))
    return min(fits)[2] if fits else None


# ---------------------------------------------------------------- columns
def _explaining(
    data: rows.Dataset, table: OutcomeTable, commands: Sequence[Command], queries: Sequence[Query]
) -> Iterator[Diagnostic]:
    fed = set(_feeding(data, queries))
    names = [n for n in data.columns if n not in fed and _repeats(data.columns[n])]
    for query in queries[:FEWEST_GROUPS]:  # of a sweep the first will do
        moments = compile_estimand(query.expr)[1]
        read = {c for m in moments for part in (m.value, m.condition) if part is not None for c in columns(part)}
        try:
            values, enters = contributions(sample_of(query.expr, table))
        except DiagnosticError:
            continue  # said where the question is answered
        found = []
        for name in names:
            if name in read:
                continue
            labels = [v for v, here in zip(data.columns[name], enters, strict=True) if here]
            of = shared(labels, values[enters])
            if of is not None and of.p < SURE / len(names) and of.wider > WIDER:
                found.append((of.wider, name, of))
        if found:
            _, name, of = max(found, key=lambda x: x[0])
            said = (
                f"`row.{name}` explains {of.icc:.0%} of how `{query.name}` varies: its {of.groups} values repeat over "
                f"{of.rows} rows, which are taken for independent"
            )
            way = f"write `cluster row.{name}`: the interval would be about {of.wider:.1f} times as wide"
            yield warning("CQ918", said, help=way)


def _repeats(values: Sequence[Any]) -> bool:
    """Whether a column looks like names of what rows belong to: texts, ten or more, each on several rows."""
    if not all(isinstance(v, str) for v in values):
        return False
    return FEWEST_GROUPS <= len(set(values)) <= len(values) / 2
