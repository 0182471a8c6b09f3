"""The table that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.diagnostics import error
from causalcircuit.query import Cell, OutcomeTable, draws_in, numbered, render, times, unnumbered
from causalcircuit.rows import Dataset, clusters


def check_finite(data: Dataset, cell: Cell, values: NDArray[np.float64], chunk: range) -> None:
    """Refuse an outcome that is no finite number.

    Raises:
        DiagnosticError: CQ701.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        rows = [data.rows[chunk.start + int(i)] for i in bad]
        shown = ", ".join(map(str, rows[:5])) + (" …" if len(rows) > 5 else "")
        raise error(
            "CQ701",
            f"`{render(cell.readout)}` is {values[bad[0]]} in the world `{render(cell.world)}` (row {shown})",
            cell.readout.span,
            where=data.place(chunk.start + int(bad[0])),
            help=(
                "an assigned value may be out of the model's range, or divide by zero",
                "dtype = float64 tells overflow from error",
            ),
        )


def make_table(
    data: Dataset, cells: Mapping[Cell, NDArray[np.float64]], cost: Mapping[str, float], rows: int, complete: bool
) -> OutcomeTable:
    """The first `rows` rows as a table."""
    labels = clusters(data)
    weight = data.ref.weight
    return OutcomeTable(
        rows=np.asarray(data.rows[:rows], dtype=np.int64),
        cells=stacked(cells),
        cluster=None if labels is None else _objects(labels[:rows]),
        weight=None if weight is None else np.asarray(data.column(weight.name)[:rows], dtype=np.float64),
        columns={name: _column(values[:rows]) for name, values in data.columns.items()},
        cost=cost,
        complete=complete,
    )


def stacked(cells: Mapping[Cell, NDArray[Any]]) -> dict[Cell, NDArray[Any]]:
    """Cells of single draws as one cell with an axis of draws, in order of their numbers."""
    parts = {part for cell in cells for part in (cell.readout, cell.world)}
    if not any(d.times > 1 for part in parts for d in draws_in(part)):
        return dict(cells)
    found: dict[Cell, dict[Cell, NDArray[Any]]] = {}
    for cell, values in cells.items():
        found.setdefault(unnumbered(cell), {})[cell] = values
    out: dict[Cell, NDArray[Any]] = {}
    for cell, own in found.items():
        several = times(cell) is not None
        out[cell] = np.stack([own[k] for k in numbered(cell)], axis=1) if several else own[cell]
    return out


def _column(values: list[Any]) -> NDArray[Any]:
    """Numbers and truth values as float64, anything else as objects."""
    if values and all(isinstance(v, bool | int | float) for v in values):
        return np.asarray(values, dtype=np.float64)
    return _objects(values)


def _objects(values: list[Any]) -> NDArray[Any]:
    # Filled entry by entry: numpy would make a matrix of lists of one length.
    out = np.empty(len(values), dtype=object)
    for i, v in enumerate(values):
        out[i] = v
    return out
