"""Doubly robust estimation: right where the outcome's model or the propensity's is, with both fitted on other rows.

The augmented inverse probability weighting of Robins, Rotnitzky and Zhao (1994), with the cross-fitting of
Chernozhukov et al. (2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import Regression, features, standardised
from causalcircuit.inference.observed._logit import logit, shares
from causalcircuit.inference.observed._means import SAME, Arms, Means
from causalcircuit.inference.observed._overlap import extrapolated, holes, separated, weights_of
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._table import Column, Data, Floats, Numbers

Predict = Callable[[Floats], Floats]
Learner = Callable[[Floats, Floats, Floats], Predict]
"""Of features [n, p], target [n] and weights [n]: a prediction [m] for features [m, p]."""

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Learners:
    """Who predicts: the outcome within an arm, and the propensity; None for a linear and a logistic regression."""

    outcome: Learner | None = None
    propensity: Learner | None = None


def doubly_robust(data: Data, arms: Arms, given: Sequence[Column], learners: Learners | None = None) -> Means:
    """Augmented inverse probability weighting with five folds of whole units.

    Folds are dealt in turn to the units in order of the treatment, so that arms are divided evenly and no seed is
    needed.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ854 no overlap, CQ859 a treatment
            of more than two values, or a learner that predicts no probabilities.
    """
    used = learners or Learners()
    t = arms.treated("doubly robust estimation")
    y = arms.outcome.values
    raw, names = features(given)
    z = standardised(raw if given else np.zeros((data.n, 0)), data.weight)
    Regression.of(data, np.hstack([np.ones((data.n, 1)), z]), ("1", *names), t[:, None])
    fold = _folds(data, t)
    e, one, zero = np.empty(data.n), np.empty(data.n), np.empty(data.n)
    for k in range(FOLDS):
        out, rest = fold == k, fold != k
        for arm, kept in ((one, rest & (t == 1)), (zero, rest & (t == 0))):
            learn = used.outcome or _linear(names)
            arm[out] = learn(z[kept], y[kept], data.weight[kept])(z[out])
        learn = used.propensity or _logistic(arms.treatment.name)
        e[out] = learn(z[rest], t[rest], data.weight[rest])(z[out])
    if not (np.isfinite(one) & np.isfinite(zero)).all() or not ((e > 0) & (e < 1)).all():
        raise error(
            "CQ859",
            "a learner predicts no finite means, or propensities that are not between 0 and 1",
            help="let it predict numbers for every row, and probabilities that keep away from 0 and 1",
        )
    scores = arms.of_two(zero + (1 - t) * (y - zero) / (1 - e), one + t * (y - one) / e)
    value = np.average(scores, axis=0, weights=data.weight)

    def without() -> Floats:
        parts = by_unit(data, np.hstack([data.weight[:, None] * (scores - value), data.weight[:, None]]))
        return np.asarray(value - parts[:, :-1] / (data.weight.sum() - parts[:, -1:]))

    warnings, figures = weights_of(data, e, t)
    own = " and ".join(w for w, one_ in (("outcome", used.outcome), ("propensity", used.propensity)) if one_)
    return Means(
        value,
        f"doubly robust, {FOLDS} folds{f', own learner of the {own}' if own else ''}",
        (SAME, "the model of the outcome or that of the propensity is right, or both are nearly so"),
        z.shape[1] + 2,
        without,
        unresampled="cross-fitting has no bootstrap",
        warnings=(*warnings, *extrapolated(holes(data, arms, given))),
        figures=figures,
    )


def _folds(data: Data, t: Floats) -> Numbers:
    """[n] the fold of each row's unit."""
    size = np.bincount(data.unit)
    if data.units < 2 * FOLDS:
        raise error(
            "CQ853", f"{data.units} {data.word} for {FOLDS} folds", help="use `how='regression'`, or collect more rows"
        )
    order = np.argsort(np.bincount(data.unit, weights=t) / size, kind="stable")
    fold = np.empty(data.units, np.intp)
    fold[order] = np.arange(data.units) % FOLDS
    return np.asarray(fold[data.unit])


def _linear(names: Sequence[str]) -> Learner:
    """Least squares with main effects; rows of one arm of a part of the folds."""

    def learn(z: Floats, y: Floats, weight: Floats) -> Predict:
        rows = Data({}, weight, np.arange(len(y)), False, np.arange(len(y)))
        design = np.hstack([np.ones((len(y), 1)), z])
        fit = Regression.of(rows, design, ("1", *(f"{name} within an arm" for name in names)), y[:, None])
        beta = fit.back @ (fit.q.T @ (fit.weight * y))
        return lambda new: np.asarray(beta[0] + new @ beta[1:])

    return learn


def _logistic(treatment: str) -> Learner:
    """A logistic regression with main effects."""

    def learn(z: Floats, t: Floats, weight: Floats) -> Predict:
        gamma = logit(np.hstack([np.ones((len(t), 1)), z]), t, weight)
        if gamma is None:
            raise separated(treatment)
        return lambda new: shares(np.hstack([np.ones((len(new), 1)), new]), gamma)

    return learn
