"""Prediction-powered means: exact outcomes of a few rows, and cheap scores of all of them.

Y is regressed on the scores over n exact rows, and the regression read at the mean of the scores over all N rows: the
regression estimator of survey sampling (Cochran 1977, chapter 7), which is prediction-powered inference with the
coefficient that the data choose (Angelopoulos et al. 2023, arXiv 2301.09633; PPI++, 2311.01453). It is consistent
whatever the scores are, with a bias of order 1/n; a score related to Y by ρ leaves 1 − ρ² of the variance. Its parts:

- the leave-one-out residuals at that point (HC3; whole clusters are left out where there are some),
- that of the predicted mean over the N rows, which are a sample themselves,
- a floor of 2 s²/n² for the slopes that are estimated too: of few rows residuals look smaller than they are,

with Student's t of n − p − 1 degrees of freedom. A score beyond both five robust deviations and the outer 1% of
its side is drawn in, so that no row alone sets a slope. docs/powered.md has what that covers.
"""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.inference._numpy import Floats, NDArray, np
from causalcircuit.inference._special import stdtrit
from causalcircuit.query import Interval

FEWEST = 50
"""Exact units below which the variance is not trusted."""
MOST_SCORES = 3
_DRAWN_IN, _DEVIATIONS = 0.01, 5.0
_FLOOR = 2.0
_HEAVY = 0.5
"""One unit that carries so much of the variance makes it hang on the tails."""


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean by exact outcomes and scores.

    Attributes:
        value, se, df: of the powered mean. classical, classical_se, classical_df: of the mean of the exact rows alone.
        correlation: between Y and what the scores predict of exact rows that are left out in turn; 0 if negative.
        heaviest: the largest share of the residual variance that one unit carries.
        units, pool: exact units, and all of them.
    """

    value: float
    se: float
    df: float
    classical: float
    classical_se: float
    classical_df: float
    correlation: float
    heaviest: float
    units: int
    pool: int

    def interval(self, level: float = 0.95) -> Interval:
        """The powered interval."""
        reach = self.se * float(-stdtrit(self.df, (1 - level) / 2))
        return Interval(self.value - reach, self.value + reach)

    def classical_interval(self, level: float = 0.95) -> Interval:
        """Student's interval of the exact rows."""
        reach = self.classical_se * float(-stdtrit(self.classical_df, (1 - level) / 2))
        return Interval(self.classical - reach, self.classical + reach)

    @property
    def heavy(self) -> bool:
        """Whether the interval hangs on single units."""
        return self.heaviest > _HEAVY

    @property
    def gain(self) -> float:
        """How many times as many exact units the classical interval would need to be as narrow."""
        return (self.classical_se / self.se) ** 2 if self.se > 0 else 1.0


def powered(
    y: Floats,
    chosen: NDArray[np.intp],
    scores: Floats,
    cluster: NDArray[np.intp] | None = None,
) -> Powered:
    """The powered mean of an outcome.

    Args:
        y: [n] outcomes of the exact rows.
        chosen: [n] their places among all rows: whole clusters, drawn at random.
        scores: [N, p] of all rows; p up to 3.
        cluster: [N] the number of each row's sampling unit; every row its own where `None`.

    Raises:
        ValueError: too few exact units, too many scores, or something that is no number.
    """
    if scores.ndim != 2 or scores.shape[1] > MOST_SCORES:
        raise ValueError(f"at most {MOST_SCORES} scores a row")
    if not (np.isfinite(y).all() and np.isfinite(scores).all()):
        raise ValueError("outcomes and scores are finite")
    own = np.arange(len(scores)) if cluster is None else cluster
    exact = np.unique(own[chosen], return_inverse=True)[1]
    units = int(exact.max()) + 1
    if units < FEWEST:
        raise ValueError(f"a powered mean needs at least {FEWEST} exact units")
    z = _standard(scores)
    x = np.column_stack([np.ones(len(y)), z[chosen]])
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    rank = int((s > 1e-8 * s[0]).sum())
    u, inverse = u[:, :rank], vt[:rank].T / s[:rank]
    beta: Floats = inverse @ (u.T @ y)
    weights = u @ inverse[0]  # the value is their sum with y, since standard scores have mean 0
    off = y - x @ beta
    parts, left = _left_out(off, u, weights, exact, units)
    plain, plain_parts = float(y.mean()), _sums((y - y.mean()) / len(y), exact, units)
    plain_variance = _spread(plain_parts)
    guess = z @ beta[1:]
    spread = _spread(_sums((guess - guess.mean()) / len(guess), np.unique(own, return_inverse=True)[1]))
    variance = float((parts**2).sum()) + spread + _FLOOR * plain_variance / units
    related = float(np.corrcoef(y, y - left)[0, 1]) if np.ptp(y) > 0 and np.ptp(y - left) > 0 else 0.0
    total = float((parts**2).sum())
    return Powered(
        float(weights @ y),
        float(np.sqrt(variance)),
        float(units - rank),
        plain,
        float(np.sqrt(plain_variance)),
        float(units - 1),
        max(related, 0.0),
        float((parts**2).max()) / total if total > 0 else 0.0,
        units,
        len(np.unique(own)),
    )


def _standard(scores: Floats) -> Floats:
    """[N, p'] scores drawn in, with mean 0 and deviation 1; those that do not vary are left out."""
    low, middle, high = np.quantile(scores, (_DRAWN_IN, 0.5, 1 - _DRAWN_IN), axis=0)
    robust = _DEVIATIONS * 1.4826 * np.median(np.abs(scores - middle), axis=0)
    drawn = np.clip(scores, np.minimum(low, middle - robust), np.maximum(high, middle + robust))
    deviation = drawn.std(axis=0)
    varies = deviation > 1e-12 * np.abs(drawn).max(axis=0, initial=0.0)
    return np.asarray((drawn[:, varies] - drawn[:, varies].mean(axis=0)) / deviation[varies])


def _left_out(off: Floats, u: Floats, weights: Floats, unit: NDArray[np.intp], units: int) -> tuple[Floats, Floats]:
    """How far the value moves when each unit is left out; [n] residuals of the regression without their own unit."""
    if units == len(off):
        left: Floats = off / np.maximum(1 - (u**2).sum(axis=1), 1e-9)
        return weights * left, left
    left = np.empty_like(off)
    for g in range(units):
        rows = np.flatnonzero(unit == g)
        own = u[rows]
        left[rows] = np.linalg.lstsq(np.eye(len(rows)) - own @ own.T, off[rows], rcond=None)[0]
    return _sums(weights * left, unit, units), left


def _sums(values: Floats, unit: NDArray[np.intp], units: int | None = None) -> Floats:
    found: Floats = np.bincount(unit, values, minlength=0 if units is None else units).astype(np.float64)
    return found


def _spread(parts: Floats) -> float:
    """The variance of a sum of independent parts whose mean is 0."""
    return float((parts**2).sum()) * len(parts) / max(1, len(parts) - 1)
