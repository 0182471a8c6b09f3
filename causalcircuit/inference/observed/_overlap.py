"""Overlap: whether rows that are alike but for the treatment exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.inference.observed._cells import MOST_CELLS, Cells
from causalcircuit.inference.observed._logit import logit, shares
from causalcircuit.inference.observed._means import Arms
from causalcircuit.inference.observed._table import Column, Data, Floats

EXTREME = 0.02
"""A treatment that is rarer than this among rows of some kind makes weights above 50."""


Figures = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Holes:
    """Cells of the adjustment set that lack one of the values.

    Attributes:
        empty: the lacking cells as text. fewest: rows in the scarcest cell of those that are needed.
    """

    empty: str
    fewest: int


def holes(data: Data, arms: Arms, columns: Sequence[Column]) -> Holes | None:
    """What the cells of the adjustment set lack; None where it has none, as a column is not discrete."""
    if not arms.treatment.discrete or not all(c.discrete for c in columns):
        return None
    if np.prod([float(len(c.levels)) for c in (arms.treatment, *columns)]) > MOST_CELLS:
        return None
    cells = Cells.of([arms.treatment, *columns], data.n)
    pairs = np.unique(np.stack([cells.code, data.unit], axis=1), axis=0)
    count = np.bincount(pairs[:, 0], minlength=cells.size).reshape(cells.shape[0], -1)
    seen = count.sum(axis=0) > 0
    lacking: list[str] = []
    fewest = data.n
    for value in sorted(set(arms.values)):
        at = cells.place(arms.treatment.name, value)
        if at is None:
            lacking.append(f"{arms.treatment.name} = {arms.treatment.shown(value)}")
            continue
        fewest = min(fewest, int(count[at][seen].min()))
        lost = np.flatnonzero(seen & (count[at] == 0)) + at * count.shape[1]
        if len(lost):
            lacking.append(cells.listed(lost))
    return Holes("; ".join(lacking), 0 if lacking else fewest)


def extrapolated(found: Holes | None) -> tuple[Diagnostic, ...]:
    """A warning where a model has to answer for cells that lack a value."""
    if found is None or not found.empty:
        return ()
    return (
        warning(
            "CQ856",
            f"the model extrapolates to rows that do not occur: {found.empty}",
            help="what it says there rests on its form alone: coarsen the columns, or collect such rows",
        ),
    )


def lopsided(data: Data, arms: Arms, z: Floats) -> tuple[Diagnostic, ...]:
    """A warning where a logistic propensity says that a regression on numbers extrapolates."""
    if not arms.two_valued or not z.shape[1]:
        return ()
    treated = arms.treated("a propensity")
    design = np.hstack([np.ones((data.n, 1)), z])
    gamma = logit(design, treated, data.weight)
    if gamma is not None:
        return weights_of(data, shares(design, gamma), treated)[0]
    return (
        warning(
            "CQ856",
            f"the model extrapolates: the adjustment set determines `{arms.treatment.name}` in some rows",
            help="what it says there rests on its form alone: ask of the rows where both values occur",
        ),
    )


def weights_of(data: Data, share: Floats, treated: Floats) -> tuple[tuple[Diagnostic, ...], Figures]:
    """What propensities say: a warning of extreme ones, the effective number of rows in each arm."""
    figures = [("smallest propensity", float(share.min())), ("largest propensity", float(share.max()))]
    for arm, name in ((treated, "treated"), (1 - treated, "untreated")):
        heavy = data.weight * arm / np.where(arm > 0, np.where(treated > 0, share, 1 - share), 1.0)
        figures.append((f"effective rows, {name}", float(heavy.sum() ** 2 / (heavy**2).sum())))
    extreme = np.flatnonzero((share < EXTREME) | (share > 1 - EXTREME))
    if not len(extreme):
        return (), tuple(figures)
    shown = ", ".join(str(i) for i in data.row[extreme[:5]]) + (
        f" and {len(extreme) - 5} more" if len(extreme) > 5 else ""
    )
    return (
        warning(
            "CQ856",
            f"little overlap: in {len(extreme)} of {len(share)} rows one of the values has a propensity below "
            f"{EXTREME:g} (row{'s' if len(extreme) > 1 else ''} {shown})",
            help="few rows carry the estimate there: ask of a part of the rows with overlap, or adjust for less",
        ),
    ), tuple(figures)


def separated(treatment: str) -> Exception:
    """CQ854: the treatment follows from the adjustment set."""
    return error(
        "CQ854",
        f"the adjustment set determines `{treatment}` in some rows: no propensity fits them",
        help=(
            "positivity is violated there: no rows are alike but for the treatment",
            "leave out the column that determines it, where the diagram allows, or ask of the other rows",
        ),
    )
