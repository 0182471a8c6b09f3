"""The front door: the treatment moves mediators, which move the outcome; both steps are free of confounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causalcircuit.inference.observed._cells import Cells, no_rows
from causalcircuit.inference.observed._curve import Curve
from causalcircuit.inference.observed._linear import Regression, features, standardised, varied
from causalcircuit.inference.observed._means import SAME, Arms, Means
from causalcircuit.inference.observed._overlap import holes, lopsided
from causalcircuit.inference.observed._resampling import by_unit
from causalcircuit.inference.observed._table import Column, Data, Floats


def through(data: Data, arms: Arms, mediators: Sequence[Column]) -> Means:
    """In cells where all columns are discrete and each cell of treatment and mediators has two units.

    Else by the mediators as they occur at each of two values; linear where the treatment has more.
    """
    every = Arms(arms.treatment, arms.outcome, tuple(arms.treatment.levels.tolist()))  # the formula sums over all
    found = holes(data, every, mediators) if arms.two_valued else None
    if found is not None and found.fewest >= 2:
        return through_cells(data, arms, mediators)
    return (through_arms if arms.two_valued else through_lines)(data, arms, mediators)


def through_lines(data: Data, arms: Arms, mediators: Sequence[Column]) -> Means:
    """The outcome's mean, and Σ_m (slope of m on the treatment) (slope of the outcome on m, given all others) a step.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows.
    """
    for column in mediators:
        varied(column)
    x = arms.scaled[:, None]
    y = arms.outcome.values[:, None]
    raw, names = features(mediators)
    m = standardised(raw, data.weight)
    one = np.ones((data.n, 1))
    k, at = m.shape[1], arms.places
    # The outcome's regression includes that of the mediators: coefficients of a part of its columns.
    late = Regression.of(data, np.hstack([one, x, m]), ("1", arms.treatment.name, *names), y)
    early = Regression.of(data, np.hstack([one, x]), ("1", arms.treatment.name), m)
    centre = float(np.average(y[:, 0], weights=data.weight))
    first, second = early.sums(data), late.sums(data, np.hstack([one, x, y - centre]))
    both = type(first).of(data, lambda of: np.hstack([first.rows(of), second.rows(of)]), first.width + second.width)

    def means(of: Floats) -> Floats:
        a = early.coefficients(of[:, : first.width])[:, 1, :]
        b = late.coefficients(of[:, first.width :])[:, 2:, 0]
        more = late.beside(of[:, first.width :])
        mean = more[:, 1:] / more[:, :1]
        slope = (a * b).sum(axis=1)
        return np.asarray(centre + mean[:, 1:] + slope[:, None] * (at - mean[:, :1]))

    words = f"front-door, two linear regressions ({k} mediator{'s' if k > 1 else ''})"
    linear = ("mediators are linear in the treatment, the outcome in treatment and mediators, without interactions",)
    return Means.of_sums(both, means, words, (SAME, *linear), late.p)


def through_arms(data: Data, arms: Arms, mediators: Sequence[Column]) -> Means:
    """Of two values: Σ_x' P(x') E[Y | x', m], averaged over the mediators m of the rows that have each value.

    The outcome's mean is a line in the mediators, with a slope of its own at each value, or of an outcome of 0 and 1 a
    logistic curve; how the mediators are spread is not modelled. A unit's deviation is what it moves the averages by
    with the curve held, and what it moves the curve by.

    Raises:
        DiagnosticError: CQ852 constant or collinear columns, CQ853 too few rows, CQ859 a treatment of more values.
    """
    for column in mediators:
        varied(column)
    t = arms.treated("this front-door formula")
    raw, names = features(mediators)
    m = standardised(raw, data.weight)
    x = arms.treatment.name
    labels = ("1", x, *names, *(f"{x} × {name}" for name in names))

    def design(treated: Floats) -> Floats:
        return np.hstack([np.ones((data.n, 1)), treated[:, None], m, treated[:, None] * m])

    curve = Curve.of(data, design(t), labels, arms.outcome)
    none, every = design(np.zeros(data.n)), design(np.ones(data.n))
    low, high = curve.at(none), curve.at(every)
    heavy = data.weight / data.weight.sum()
    share = float(heavy @ t)
    mixed = (1 - share) * low + share * high
    sides = [heavy * (1 - t), heavy * t]
    found = [float(side @ mixed / side.sum()) for side in sides]

    def without() -> Floats:
        moved = curve.moved()
        own = by_unit(data, np.stack([heavy, heavy * t], axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            rarer = share - (share - own[:, 1]) / (1 - own[:, 0])
            each = []
            for side, mean in zip(sides, found, strict=True):
                part = by_unit(data, np.stack([side * (mixed - mean), side], axis=1))
                held = mean - part[:, 0] / (side.sum() - part[:, 1])
                slope = side @ ((1 - share) * curve.slopes(none) + share * curve.slopes(every)) / side.sum()
                each.append(held - moved @ slope - rarer * float(side @ (high - low) / side.sum()))
        return arms.of_two(*each)

    shape = "log-odds are" if curve.logistic else "mean is"
    words = f"front-door, {'logistic' if curve.logistic else 'linear'} in the mediators at each value"
    assumed = (SAME, f"the outcome's {shape} linear in the mediators, at each value of the treatment")
    return Means(
        arms.of_two(np.asarray(found[0]), np.asarray(found[1])),
        words,
        assumed,
        2 * m.shape[1] + 2,
        without,
        unresampled="this front-door estimate has no bootstrap here",
        warnings=lopsided(data, arms, m),
    )


def through_cells(data: Data, arms: Arms, mediators: Sequence[Column]) -> Means:
    """Σ_m P(m | x) Σ_x' P(x') E[Y | x', m], without a model.

    Raises:
        DiagnosticError: CQ854 cells that lack rows, CQ859 columns that are not discrete.
    """
    cells = Cells.of([arms.treatment, *mediators], data.n)
    at = [cells.place(arms.treatment.name, v) for v in arms.values]
    found = holes(data, arms, mediators)
    if any(place is None for place in at):
        raise no_rows(found.empty if found else "", "the front-door formula")
    places = [place for place in at if place is not None]
    centre = float(np.average(arms.outcome.values, weights=data.weight))
    sums = cells.sums(data, arms.outcome.values - centre)

    def means(of: Floats) -> Floats:
        weight, total = (grid.reshape(len(of), cells.shape[0], -1) for grid in cells.grids(of))
        own = weight.sum(axis=2, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = weight[:, places] / own[:, places]
            mean = total / weight
        inner = np.where(own > 0, own * mean, 0.0).sum(axis=1) / own.sum(axis=(1, 2))[:, None]
        return np.asarray(centre + np.where(share == 0, 0.0, share * inner[:, None]).sum(axis=2))

    weight = cells.grids(sums.total()[None])[0][0].reshape(cells.shape[0], -1)
    reached = (weight[places] > 0).any(axis=0)
    lost = np.flatnonzero(((weight == 0) & reached & (weight.sum(axis=1, keepdims=True) > 0)).ravel())
    if len(lost):
        raise no_rows(cells.listed(lost), "the front-door formula")
    words = f"front-door formula in {cells.size} cells"
    return Means.of_sums(sums, means, words, (SAME,), cells.size)
