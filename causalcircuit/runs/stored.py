"""What the store knows already of the questions on a data set, without a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

import causalcircuit.rows as rows
from causalcircuit.check import locate
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Command, OutcomeTable, Program
from causalcircuit.query.plan import Plan
from causalcircuit.runs.columns import arrays, with_columns
from causalcircuit.runs.keeping import Keeping
from causalcircuit.store import store_folder

_FEWEST = 10
"""Rows: of fewer, an interval says nothing."""
_QUICK = 64 * 2**20
"""Bytes of weights that may be read for their digest; those of larger models are asked only where it is known."""


def stored_table(
    program: Program, plan: Plan, data: rows.Dataset, asked: Iterable[Command], how: str
) -> tuple[OutcomeTable | None, float | None]:
    """The rows of which every outcome is stored, and the share of all outcomes that is.

    Returns:
        The table, `None` where too few rows are known; the share, `None` where the store was not asked.
    """
    if store_folder() is None or not all(_quick(program, name) for name in plan.models):
        return None, None
    keeping = Keeping.opened("use")
    try:
        shelf = keeping.shelf(keeping.keys(data, program.models, how))
        if shelf is None:
            return None, None
        known = shelf.known(plan)
    finally:
        keeping.close()
    if not known:
        return None, 0.0
    masks = np.stack([found.mask if found is not None else np.zeros(data.n, dtype=bool) for found in known.values()])
    share = float(masks.mean())
    full = np.flatnonzero(masks.all(0))
    if len(full) < _FEWEST or any(found is None for found in known.values()):
        return None, share
    from causalcircuit.engine.outcomes import make_table

    some = data.take([int(i) for i in full])
    cells = {cell: found.values[full] for cell, found in known.items() if found is not None}
    table = make_table(some, cells, {}, some.n, True)
    return replace(table, columns={**table.columns, **arrays(with_columns(some, asked), table)}), share


def _quick(program: Program, name: str) -> bool:
    """Whether a model's digest is at hand, or soon."""
    try:
        folder = locate(program.models[name])
    except (DiagnosticError, OSError):
        return False
    return sum(_size(p) for p in folder.glob("*.safetensors")) <= _QUICK


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
