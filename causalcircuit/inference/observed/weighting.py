"""Inverse probability weighting: rows count by how unlikely their treatment was, given the adjustment set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._logit import logit, shares
from causalcircuit.inference.observed._means import SAME, Arms, Means
from causalcircuit.inference.observed._overlap import extrapolated, holes, separated, weights_of
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._table import Column, Data, Floats


def weighted(data: Data, arms: Arms, given: Sequence[Column]) -> Means:
    """Weighted means (Hájek), with a logistic regression for the propensity.

    They carry the propensity's own uncertainty: a unit's deviation is what it moves a mean by, with the coefficients
    held, and what it moves the coefficients by, one Newton step without it.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ854 no overlap, CQ859 a treatment
            of more than two values.
    """
    t = arms.treated("weighting")
    centre = float(np.average(arms.outcome.values, weights=data.weight))
    y = arms.outcome.values - centre
    raw, names = features(given)
    z = standardised(raw if given else np.zeros((data.n, 0)), data.weight)
    design = np.hstack([np.ones((data.n, 1)), z])
    Regression.of(data, design, ("1", *names), t[:, None])  # the columns say something new, or are refused
    gamma = logit(design, t, data.weight)
    if gamma is None:
        raise separated(arms.treatment.name)
    e = shares(design, gamma)
    a, b = data.weight * t / e, data.weight * (1 - t) / (1 - e)
    one, zero = float(a @ y / a.sum()), float(b @ y / b.sum())
    up = -design.T @ (a * (1 - e) * (y - one)) / a.sum()
    down = design.T @ (b * e * (y - zero)) / b.sum()
    curve = data.weight * e * (1 - e)
    newton = Regression.of(data, design, ("1", *names), ((t - e) / (e * (1 - e)))[:, None], weight=curve)

    def without() -> Floats:
        sums = newton.sums(data)
        moved = sums.value(newton.coefficients)[:, 0] - sums.left_out(newton.coefficients)[:, :, 0]
        parts = by_unit(data, np.stack([a * (y - one), a, b * (y - zero), b], axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            high = one - parts[:, 0] / (a.sum() - parts[:, 1]) - moved @ up
            low = zero - parts[:, 2] / (b.sum() - parts[:, 3]) - moved @ down
        return centre + arms.of_two(low, high)

    warnings, figures = weights_of(data, e, t)
    return Means(
        centre + arms.of_two(np.asarray(zero), np.asarray(one)),
        "inverse probability weighting",
        (SAME, "the log-odds of the treatment are linear in the adjustment set"),
        design.shape[1] + 1,
        without,
        unresampled="weighting has no bootstrap here",
        warnings=(*warnings, *extrapolated(holes(data, arms, given))),
        figures=figures,
    )
