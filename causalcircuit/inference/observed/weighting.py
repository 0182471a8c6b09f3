"""Inverse probability weighting: rows count by how unlikely their treatment was, given the adjustment set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._contrast import Contrast
from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._logit import logit, shares
from causalcircuit.inference.observed._overlap import extrapolated, holes, separated, weights_of
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._result import Asked, Observed, blank, from_deviations
from causalcircuit.inference.observed._table import Column, Data


def weighted(data: Data, contrast: Contrast, given: Sequence[Column], asked: Asked) -> Observed:
    """The difference of weighted means (Hájek), with a logistic regression for the propensity.

    The interval carries the propensity's own uncertainty: a unit's deviation is what it moves the two means by, with
    the coefficients held, and what it moves the coefficients by, one Newton step without it.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ854 no overlap, CQ859 a treatment
            of more than two values, or a bootstrap.
    """
    if asked.resamples is not None:
        raise error("CQ859", "weighting has no bootstrap here", help="leave `resamples` out: its interval is analytic")
    t = contrast.treated("weighting")
    y = contrast.outcome.values - np.average(contrast.outcome.values, weights=data.weight)
    raw, names = features(given)
    z = standardised(raw if given else np.zeros((data.n, 0)), data.weight)
    design = np.hstack([np.ones((data.n, 1)), z])
    Regression.of(data, design, ("1", *names), t[:, None])  # the columns say something new, or are refused
    gamma = logit(design, t, data.weight)
    if gamma is None:
        raise separated(contrast.treatment.name)
    e = shares(design, gamma)
    a, b = data.weight * t / e, data.weight * (1 - t) / (1 - e)
    one, zero = float(a @ y / a.sum()), float(b @ y / b.sum())
    slope = -design.T @ (a * (1 - e) * (y - one)) / a.sum() - design.T @ (b * e * (y - zero)) / b.sum()
    curve = data.weight * e * (1 - e)
    newton = Regression.of(data, design, ("1", *names), ((t - e) / (e * (1 - e)))[:, None], weight=curve)
    sums = newton.sums(data)
    moved = sums.value(newton.coefficients)[:, 0] - sums.left_out(newton.coefficients)[:, :, 0]
    parts = by_unit(data, np.stack([a * (y - one), a, b * (y - zero), b], axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        d = parts[:, 0] / (a.sum() - parts[:, 1]) - parts[:, 2] / (b.sum() - parts[:, 3]) + moved @ slope
    warnings, figures = weights_of(data, e, t)
    result = blank(
        data,
        asked,
        "inverse probability weighting",
        (
            "consistency: the value set and the value seen are the same thing",
            "the log-odds of the treatment are linear in the adjustment set",
        ),
    )
    result = replace(
        result, warnings=(*result.warnings, *warnings, *extrapolated(holes(data, contrast, given))), diagnostics=figures
    )
    return from_deviations(result, data, one - zero, d, design.shape[1] + 1, asked)
