"""The variables of a diagram as columns: values of rows, out of the data and out of what a model gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.diagnostics import error
from causalcircuit.inference import row_values
from causalcircuit.query import Call, Column, Expr, OutcomeTable, children, rebuild, render

Array = NDArray[Any]


def _cosine(a: Array, b: Array) -> Array:
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.where(size > 0, size, np.nan))


_OF_LISTS: Mapping[str, Callable[..., Array]] = {
    "norm": lambda a: np.linalg.norm(a, axis=1),
    "dot": lambda a, b: (a * b).sum(axis=1),
    "cosine": _cosine,
    "avg": lambda a: a.mean(axis=1),
    "max": lambda a: a.max(axis=1),
}
"""Functions of columns whose cells are lists of numbers."""


def node_table(nodes: Iterable[tuple[str, Expr]], table: OutcomeTable) -> dict[str, Array]:
    """[n] the value of each node on each row: numbers, or texts of a column.

    Raises:
        DiagnosticError: CQ712, CQ713 a row without a value, or with one of another kind; CQ865, lists that are none of
            one length.
    """
    return {name: _node(value, table) for name, value in nodes}


def _node(value: Expr, table: OutcomeTable) -> Array:
    if isinstance(value, Column):
        held = table.columns[value.name]
        if held.dtype == object and len(held) and all(isinstance(v, str) for v in held.tolist()):
            return np.asarray(held.tolist(), dtype=str)
    made: dict[str, Array] = {}

    def plain(e: Expr) -> Expr:
        """`e` with functions of lists as columns of their own."""
        if isinstance(e, Call) and e.function in _OF_LISTS and _lists(e):
            name = f"({render(e)})"
            lists = [_matrix(a, e, table) for a in e.arguments]
            if len({a.shape[1] for a in lists}) > 1:
                sizes = " and ".join(str(a.shape[1]) for a in lists)
                way = "lists that are multiplied have one length"
                raise error("CQ865", f"`{render(e)}` is of lists of {sizes} numbers", e.span, help=way)
            with np.errstate(all="ignore"):
                made[name] = _OF_LISTS[e.function](*lists)
            return Column(name, span=e.span)
        return rebuild(e, plain)

    written = plain(value)
    return np.asarray(row_values(written, replace(table, columns={**table.columns, **made})), np.float64)


def _lists(e: Call) -> bool:
    """Whether a function is of columns alone."""
    return all(isinstance(a, Column) for a in children(e))


def _matrix(e: Expr, of: Call, table: OutcomeTable) -> Array:
    """[n, d] a column of lists of numbers."""
    assert isinstance(e, Column)  # noqa: S101  `_lists` saw to it
    held = table.columns[e.name].tolist()
    size = len(held[0]) if held and isinstance(held[0], list | tuple) else -1
    for row, cell in zip(table.rows.tolist(), held, strict=True):
        fits = isinstance(cell, list | tuple) and len(cell) == size and size > 0
        if not fits or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in cell):
            raise error(
                "CQ865",
                f"`{render(of)}` needs lists of numbers of one length, and row {row} holds {cell!r:.40}",
                e.span,
                help="write a list of numbers in each row, of one length; or name a column of single numbers",
            )
    return np.asarray(held, np.float64)
