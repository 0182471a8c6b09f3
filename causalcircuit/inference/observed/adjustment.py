"""Adjustment: means within strata of the adjustment set, or a regression with interactions, averaged over all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._means import SAME, Arms, Means
from causalcircuit.inference.observed._overlap import extrapolated, holes, lopsided
from causalcircuit.inference.observed._table import Column, Data, Floats


def adjusted(data: Data, arms: Arms, given: Sequence[Column]) -> Means:
    """By strata where every stratum has two units of each value, else by regression."""
    found = holes(data, arms, given)
    if found is not None and found.fewest >= 2:
        return stratified(data, arms, given)
    return regressed(data, arms, given)


def stratified(data: Data, arms: Arms, given: Sequence[Column]) -> Means:
    """Σ_z P(z) E[Y | x, z], without a model of the outcome.

    Raises:
        DiagnosticError: CQ854 strata that lack a value, CQ859 columns that are not discrete.
    """
    cells = Cells.of([arms.treatment, *given], data.n)
    found = holes(data, arms, given)
    if found is None or found.empty:
        raise no_rows(found.empty if found else "", "stratification")
    at = [p for v in arms.values if (p := cells.place(arms.treatment.name, v)) is not None]
    centre = float(np.average(arms.outcome.values, weights=data.weight))
    sums = cells.sums(data, arms.outcome.values - centre)

    def means(of: Floats) -> Floats:
        weight, total = (grid.reshape(len(of), cells.shape[0], -1) for grid in cells.grids(of))
        share = weight.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total[:, at] / weight[:, at]
        part = np.where(share[:, None] > 0, share[:, None] * mean, 0.0).sum(axis=2)
        return np.asarray(centre + part / share.sum(axis=1)[:, None])

    strata = int((sums.total()[: cells.size].reshape(cells.shape[0], -1).sum(axis=0) > 0).sum())
    words = f"stratification into {strata} strata" if given else "difference of means"
    made = Means.of_sums(sums, means, words, (SAME,), 2 * strata)
    if data.clustered:
        return made
    return replace(made, without=lambda: centre + _row_by_row(data, cells, at, arms.outcome.values - centre))


def _row_by_row(data: Data, cells: Cells, at: Sequence[int], outcome: Floats) -> Floats:
    """[n, k] the means without each row: a row moves its own stratum, so that no other is looked at."""
    heavy = data.weight / data.weight.sum()
    weight = np.bincount(cells.code, heavy, cells.size).reshape(cells.shape[0], -1)
    total = np.bincount(cells.code, heavy * outcome, cells.size).reshape(cells.shape[0], -1)
    count = np.bincount(cells.code, minlength=cells.size)[cells.code]
    share = weight.sum(axis=0)
    arm, stratum = np.divmod(cells.code, weight.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / weight
        left = (total[arm, stratum] - heavy * outcome) / (weight[arm, stratum] - heavy)
        left = np.where(count > 1, left, np.nan)
        gone = (share[stratum] - heavy) <= 1e-12
        out = []
        for place in at:
            whole = np.where(share > 0, share * means[place], 0.0)
            own = np.where(arm == place, left, means[place, stratum])
            part = np.where(gone, 0.0, (share[stratum] - heavy) * own)
            out.append((whole.sum() - whole[stratum] + part) / (1 - heavy))
    return np.stack(out, axis=1)


def regressed(data: Data, arms: Arms, given: Sequence[Column]) -> Means:
    """A linear regression with all interactions of the treatment, averaged over the rows' adjustment sets.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    x = arms.scaled
    raw, names = features(given)
    z = standardised(raw if given else np.zeros((data.n, 0)), data.weight)
    design = np.hstack([np.ones((data.n, 1)), x[:, None], z, x[:, None] * z])
    labels = ("1", arms.treatment.name, *names, *(f"{arms.treatment.name} × {n}" for n in names))
    fit = Regression.of(data, design, labels, arms.outcome.values[:, None])
    k, at = z.shape[1], arms.places
    sums = fit.sums(data, np.hstack([np.ones((data.n, 1)), z]))

    def means(of: Floats) -> Floats:
        beta, more = fit.coefficients(of)[:, :, 0], fit.beside(of)
        mean = more[:, 1:] / more[:, :1]
        level = beta[:, 0] + (beta[:, 2 : 2 + k] * mean).sum(axis=1)
        slope = beta[:, 1] + (beta[:, 2 + k :] * mean).sum(axis=1)
        return np.asarray(level[:, None] + slope[:, None] * at)

    two = arms.two_valued
    shape = "in the adjustment set, at each value" if two else "in treatment and adjustment set"
    assumed = (SAME, *((f"the outcome's mean is linear {shape}",) if k or not two else ()))
    words = "regression with interactions" if k else "regression"
    found = holes(data, arms, given) if k else None
    doubts = lopsided(data, arms, z) if found is None else extrapolated(found)
    return Means.of_sums(sums, means, words, assumed, fit.p).said(*doubts)
