"""The front door: the treatment moves mediators, which move the outcome; both steps are free of confounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import Regression, features, standardised, varied
from causalcircuit.inference.observed._overlap import holes
from causalcircuit.inference.observed._result import Asked, Observed, blank, from_sums
from causalcircuit.inference.observed._table import Column, Data, Floats

_SAME = "consistency: the value set and the value seen are the same thing"


def through(data: Data, contrast: Contrast, mediators: Sequence[Column], asked: Asked) -> Observed:
    """In cells where all columns are discrete and each cell of treatment and mediators has two units, else linear."""
    found = holes(data, contrast, mediators)
    every = data.columns[contrast.treatment.name].discrete and found is not None and found.fewest >= 2
    if every and len(contrast.treatment.levels) == 2:
        return through_cells(data, contrast, mediators, asked)
    return through_lines(data, contrast, mediators, asked)


def through_lines(data: Data, contrast: Contrast, mediators: Sequence[Column], asked: Asked) -> Observed:
    """Σ_m (slope of m on the treatment) (slope of the outcome on m, given the treatment and the other mediators).

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    for column in mediators:
        varied(column)
    x = contrast.scaled[:, None]
    raw, names = features(mediators)
    m = standardised(raw, data.weight)
    one = np.ones((data.n, 1))
    k = m.shape[1]
    # The outcome's regression includes that of the mediators: coefficients of a part of its columns.
    late = Regression.of(
        data, np.hstack([one, x, m]), ("1", contrast.treatment.name, *names), contrast.outcome.values[:, None]
    )
    early = Regression.of(data, np.hstack([one, x]), ("1", contrast.treatment.name), m)
    first, second = early.sums(data), late.sums(data)
    both = type(first).of(data, lambda of: np.hstack([first.rows(of), second.rows(of)]), first.width + second.width)

    def effect(of: Floats) -> Floats:
        a = early.coefficients(of[:, : first.width])[:, 1, :]
        b = late.coefficients(of[:, first.width :])[:, 2:, 0]
        return np.asarray((a * b).sum(axis=1))

    words = f"front-door, two linear regressions ({k} mediator{'s' if k > 1 else ''})"
    linear = ("mediators are linear in the treatment, the outcome in treatment and mediators, without interactions",)
    return from_sums(blank(data, asked, words, (_SAME, *linear)), data, both, effect, late.p, asked)


def through_cells(data: Data, contrast: Contrast, mediators: Sequence[Column], asked: Asked) -> Observed:
    """Σ_m (P(m | high) − P(m | low)) Σ_x P(x) E[Y | x, m], without a model.

    Raises:
        DiagnosticError: CQ854 cells that lack rows, CQ859 columns that are not discrete.
    """
    cells = Cells.of([contrast.treatment, *mediators], data.n)
    low, high = (cells.place(contrast.treatment.name, v) for v in (contrast.low, contrast.high))
    found = holes(data, contrast, mediators)
    if low is None or high is None:
        raise no_rows(found.empty if found else "", "the front-door formula")
    centre = float(np.average(contrast.outcome.values, weights=data.weight))
    sums = cells.sums(data, contrast.outcome.values - centre)

    def effect(of: Floats) -> Floats:
        weight, total = (grid.reshape(len(of), cells.shape[0], -1) for grid in cells.grids(of))
        own = weight.sum(axis=2, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = weight[:, high] / own[:, high] - weight[:, low] / own[:, low]
            mean = total / weight
        inner = np.where(own > 0, own * mean, 0.0).sum(axis=1) / own.sum(axis=(1, 2))[:, None]
        return np.asarray(np.where(moved == 0, 0.0, moved * inner).sum(axis=1))

    weight = cells.grids(sums.total()[None])[0][0].reshape(cells.shape[0], -1)
    moved = weight[high] / weight[high].sum() != weight[low] / weight[low].sum()
    lost = np.flatnonzero(((weight == 0) & moved & (weight.sum(axis=1, keepdims=True) > 0)).ravel())
    if len(lost):
        raise no_rows(cells.listed(lost), "the front-door formula")
    words = f"front-door formula in {cells.size} cells"
    return from_sums(blank(data, asked, words, (_SAME,)), data, sums, effect, cells.size, asked)
