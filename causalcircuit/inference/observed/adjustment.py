"""Adjustment: means within strata of the adjustment set, or a regression with interactions, averaged over all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._overlap import extrapolated, holes, lopsided
from causalcircuit.inference.observed._result import Asked, Observed, blank, from_deviations, from_sums
from causalcircuit.inference.observed._table import Column, Data, Floats


def adjusted(data: Data, contrast: Contrast, given: Sequence[Column], asked: Asked) -> Observed:
    """By strata where every stratum has two units of each value, else by regression."""
    found = holes(data, contrast, given)
    if found is not None and found.fewest >= 2:
        return stratified(data, contrast, given, asked)
    return regressed(data, contrast, given, asked)


def stratified(data: Data, contrast: Contrast, given: Sequence[Column], asked: Asked) -> Observed:
    """Σ_z P(z) (E[Y | high, z] − E[Y | low, z]), without a model of the outcome.

    Raises:
        DiagnosticError: CQ854 strata that lack a value, CQ859 columns that are not discrete.
    """
    cells = Cells.of([contrast.treatment, *given], data.n)
    found = holes(data, contrast, given)
    if found is None or found.empty:
        raise no_rows(found.empty if found else "", "stratification")
    low, high = (cells.place(contrast.treatment.name, v) for v in (contrast.low, contrast.high))
    centre = float(np.average(contrast.outcome.values, weights=data.weight))
    sums = cells.sums(data, contrast.outcome.values - centre)

    def effect(of: Floats) -> Floats:
        weight, total = (grid.reshape(len(of), cells.shape[0], -1) for grid in cells.grids(of))
        share = weight.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = total[:, high] / weight[:, high] - total[:, low] / weight[:, low]
        return np.asarray(np.where(share > 0, share * gap, 0.0).sum(axis=1) / share.sum(axis=1))

    strata = int((sums.total()[: cells.size].reshape(cells.shape[0], -1).sum(axis=0) > 0).sum())
    words = f"stratification into {strata} strata" if given else "difference of means"
    result = blank(data, asked, words, ("consistency: the value set and the value seen are the same thing",))
    if data.clustered or asked.resamples is not None:
        return from_sums(result, data, sums, effect, 2 * strata, asked)
    d = _row_by_row(data, cells, low, high, contrast.outcome.values - centre)
    return from_deviations(result, data, float(sums.value(effect)), d, 2 * strata, asked)


def _row_by_row(data: Data, cells: Cells, low: int | None, high: int | None, outcome: Floats) -> Floats:
    """[n] what the estimate loses with each row: a row moves its own stratum, so that no other is looked at."""
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
        own = means[high] - means[low]
        one = np.where(arm == high, left, means[high, stratum])
        zero = np.where(arm == low, left, means[low, stratum])
        gone = (share[stratum] - heavy) <= 1e-12
        part = np.where(gone, 0.0, (share[stratum] - heavy) * (one - zero))
        whole = np.where(share > 0, share * own, 0.0)
        rest = (whole.sum() - whole[stratum] + part) / (1 - heavy)
    return np.asarray(whole.sum() - rest)


def regressed(data: Data, contrast: Contrast, given: Sequence[Column], asked: Asked) -> Observed:
    """A linear regression with all interactions of the treatment, averaged over the rows' adjustment sets.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    x = contrast.scaled
    raw, names = features(given)
    z = standardised(raw if given else np.zeros((data.n, 0)), data.weight)
    design = np.hstack([np.ones((data.n, 1)), x[:, None], z, x[:, None] * z])
    labels = ("1", contrast.treatment.name, *names, *(f"{contrast.treatment.name} × {n}" for n in names))
    fit = Regression.of(data, design, labels, contrast.outcome.values[:, None])
    k = z.shape[1]
    sums = fit.sums(data, np.hstack([np.ones((data.n, 1)), z]))

    def effect(of: Floats) -> Floats:
        beta, more = fit.coefficients(of)[:, :, 0], fit.beside(of)
        means = more[:, 1:] / more[:, :1]
        return np.asarray(beta[:, 1] + (beta[:, 2 + k :] * means).sum(axis=1))

    two = contrast.two_valued
    shape = "in the adjustment set, at each value" if two else "in treatment and adjustment set"
    result = blank(
        data,
        asked,
        "regression with interactions" if k else "regression",
        (
            "consistency: the value set and the value seen are the same thing",
            *((f"the outcome's mean is linear {shape}",) if k or not contrast.two_valued else ()),
        ),
    )
    found = holes(data, contrast, given) if k else None
    doubts = lopsided(data, contrast, z) if found is None else extrapolated(found)
    result = replace(result, warnings=(*result.warnings, *doubts))
    return from_sums(result, data, sums, effect, fit.p, asked)
