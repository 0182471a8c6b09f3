"""The columns of the data that answers read besides the outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import causalcircuit.rows as rows
from causalcircuit.check import queries_of
from causalcircuit.diagnostics import error
from causalcircuit.query import Column, Command, Estimation, OutcomeTable, columns, compile_estimand, render, walk
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.logs import Logging
from causalcircuit.query.regimes import Observing


def with_columns(data: rows.Dataset, commands: Iterable[Command]) -> rows.Dataset:
    """The data with just the columns that conditions, events and groups read."""
    wanted: dict[str, None] = {}
    for command in commands:
        for query in queries_of(command):
            for moment in compile_estimand(query.expr)[1]:
                for part in (moment.value, moment.condition):
                    wanted.update(dict.fromkeys(columns(part) if part is not None else ()))
        if isinstance(command, Logging):
            wanted.update(dict.fromkeys(c.name for _, e in command.nodes for c in walk(e) if isinstance(c, Column)))
            wanted.update(dict.fromkeys(c.name for c in (command.data.cluster, command.data.weight) if c is not None))
        if isinstance(command, Observing | Discovering):
            of_rows = [value for name, value in command.nodes if name not in command.reads]
            wanted.update(dict.fromkeys(c.name for value in of_rows for c in walk(value) if isinstance(c, Column)))
        if isinstance(command, Estimation) and command.per is not None:
            wanted[command.per.name] = None
            _check_groups(command.per, data)
    return rows.Dataset(data.ref, {name: data.column(name) for name in wanted}, data.rows)


def _check_groups(per: Column, data: rows.Dataset) -> None:
    """Refuse a column of `per` with cells that name no group: its rows would be in none."""
    values = data.column(per.name, per.span)
    bad = [i for i, v in enumerate(values) if v is None or isinstance(v, list | dict)]
    if bad:
        others = f" and {len(bad) - 1} more rows" if len(bad) > 1 else ""
        raise error(
            "CQ404",
            f"`{render(per)}` names no group in row {data.rows[bad[0]]}{others}: it holds {values[bad[0]]!r:.40}",
            per.span,
            help='give such rows a value in the file, such as "unknown"',
        )


def arrays(data: rows.Dataset, table: OutcomeTable) -> dict[str, Any]:
    """Columns as arrays over the table's rows: float64 for numbers and truth values, else objects."""
    place = {row: i for i, row in enumerate(data.rows)}
    chosen = [place[int(r)] for r in table.rows]
    out: dict[str, Any] = {}
    for name, values in data.columns.items():
        kept = [values[i] for i in chosen]
        if all(isinstance(v, int | float) for v in kept):
            out[name] = np.array(kept, dtype=np.float64)
        else:
            array = np.empty(len(kept), dtype=object)
            array[:] = kept
            out[name] = array
    return out
