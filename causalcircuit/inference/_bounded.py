"""Bounded outcomes as a sequence: what each sampling unit adds, in the order in which units were drawn.

For a linear estimand Σ c_k P_k of shares over the same rows a unit adds y, Σ c_k times its events of term k, and s, its
rows; the estimand is m = E[y]/E[s]. Row values lie in [lo, lo + W], so that with the largest unit B, (y − lo·s)/(B·W)
lies in [0, s/B].
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.inference._arithmetic import linear, terms_in
from causalcircuit.inference._estimators import Problem, Shape
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.query import Options


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """Units of a bounded linear estimand, scaled so that it lies in [0, 1].

    Attributes:
        y: [..., G] in [0, s]. s: [..., G] in [0, 1]: the size of a unit over that of the largest.
        low, width: of the values: the estimand is low + width·m.
    """

    y: Floats
    s: Floats
    low: float
    width: float

    def running(self) -> tuple[Floats, Floats]:
        """[..., G] what the units before each say: a share, shrunk to ½, and the variance of y − share·s, to ¼.

        Both are known before the unit is seen, as a bet must be.
        """
        share = (0.5 + np.cumsum(self.y, axis=-1)) / (1 + np.cumsum(self.s, axis=-1))
        off = (self.y - share * self.s) ** 2
        t = np.arange(1, self.y.shape[-1] + 1)
        spread = (0.25 + np.cumsum(off, axis=-1)) / (t + 1)
        first = np.ones((*self.y.shape[:-1], 1))
        return (
            np.concatenate([0.5 * first, share[..., :-1]], axis=-1),
            np.concatenate([0.25 * first, spread[..., :-1]], axis=-1),
        )


def is_bounded(shape: Shape) -> bool:
    """Whether the estimand is a linear combination of probabilities."""
    terms = terms_in(shape.combine)
    events = bool(terms) and all(shape.events[k] for k in terms)
    return events and not shape.weighted and linear(shape.combine, shape.k) is not None


def refuse(shape: Shape) -> str:
    """Why a method for bounded outcomes cannot do an estimand."""
    if is_bounded(shape):
        return ""
    return "rows carry weights" if shape.weighted else "it is no sum of probabilities, so that nothing bounds a row"


def bounded(problem: Problem, options: Options) -> Bounded | None:
    """The units of a bounded estimand; `None` where its terms are of different rows.

    The largest unit is that of all data where a run with a stopping rule says so, else of those at hand.
    """
    shape, units = problem.shape, problem.units
    coefficients = linear(shape.combine, shape.k)
    terms = terms_in(shape.combine)
    if coefficients is None or not terms:
        return None
    sizes = units.size[..., terms]
    if not np.array_equal(sizes, np.broadcast_to(sizes[..., :1], sizes.shape)):
        return None
    c = coefficients[terms]
    s = sizes[..., 0]
    sums = (units.total + units.mean[..., None, :] * units.size)[..., terms] @ c
    low, high = float(np.minimum(c, 0).sum()), float(np.maximum(c, 0).sum())
    known = None if options.until is None else options.until.largest
    largest = np.maximum(s.max(axis=-1, keepdims=True), 0.0 if known is None else float(known))
    y = np.clip((sums - low * s) / ((high - low) * largest), 0.0, s / largest)  # rounding of sums
    return Bounded(y, s / largest, low + float(coefficients[-1]), high - low)


def bets(spread: Floats, a: float, horizon: int) -> Floats:
    """[..., G] how much is staked on each unit: what is best at `horizon` units of the spread so far.

    The predictable plug-in of arXiv 2010.09686 for a fixed number of units. The one for all numbers at once, with
    t log(1 + t) for the horizon, is nearly twice as wide at 1,000 rows, and no more valid: stakes need only be chosen
    by the past.
    """
    found: Floats = np.sqrt(-2 * np.log(a) / (spread * horizon))
    return found
