"""The betting confidence sequence of bounded outcomes (Waudby-Smith & Ramdas 2020, arXiv 2010.09686, section 4).

Against "the share is m" one bets on y − m·s of each unit, whose mean is 0 if it is so: the capital
K_n(m) = Π (1 + λ_i (y_i − m s_i)) is a martingale that starts at 1, whatever bets λ_i the units before i choose, so
P(some n: K_n ≥ 1/a) ≤ a. The lower bound is the largest m that bets on more have refuted; K falls in m, so bisection
finds it, and the upper one likewise. Bets are those of the predictable plug-in, held where the capital stays positive.
Units of several sizes are bet on as they come, none taken to be larger than the largest of the data.
"""

from __future__ import annotations

from causalcircuit.inference._arithmetic import value_of
from causalcircuit.inference._bounded import Bounded, bets, bounded, refuse
from causalcircuit.inference._estimators import Fit, Problem, estimator
from causalcircuit.inference._mixture import TUNED, horizon_of
from causalcircuit.inference._numpy import Floats, np
from causalcircuit.query import Options

_STAKE = 0.75
"""The largest share of the capital that a bet can lose."""
_STEPS, _NEAR = 100, 1e-10
"""Steps of the search at most, and how near the logarithm of the capital comes."""


@estimator("betting", refuse=refuse, anytime=True)
def betting(problem: Problem, options: Options) -> Fit:
    """Bets on both sides, each at the error of its bound."""
    value = value_of(problem.shape.combine, problem.units.mean)
    units = bounded(problem, options)
    if units is None:
        return unlike(value)
    stakes = bets(units.running()[1], (1 - TUNED) / 2, horizon_of(options))
    other = Bounded(units.s - units.y, units.s, 0.0, 1.0)

    def ends(a: float) -> tuple[Floats, Floats]:
        low, high = _refuted(units, stakes, a), 1 - _refuted(other, stakes, a)
        return units.low + units.width * low, units.low + units.width * high

    counted = "clusters" if problem.shape.clustered else "rows"
    return Fit(value, ends, f"betting confidence sequence, {counted} as units")


def unlike(value: Floats) -> Fit:
    """No interval: the terms stand on different rows."""
    reason = "its probabilities are over different rows: `with asymptotic` takes them"
    never = np.full_like(value, np.inf)
    return Fit(value, lambda a: (-never, never), "none", reason=lambda a: reason)


def _refuted(units: Bounded, stakes: Floats, a: float) -> Floats:
    """[...] the largest share that bets on a larger one have refuted at the error `a`; 0 where none is.

    The capital falls in the share: regula falsi, the value of an end that stays halved (Dowell & Jarratt 1971, BIT 11).
    """
    goal = -np.log(a)
    low, high = np.zeros(units.y.shape[:-1]), np.ones(units.y.shape[:-1])
    over, under = _capital(units, stakes, low) - goal, _capital(units, stakes, high) - goal
    never, always = over < 0, under >= 0
    for _ in range(_STEPS):
        slope = np.where(over - under > 0, over / np.where(over - under > 0, over - under, 1.0), 0.5)
        middle = low + (high - low) * np.clip(slope, 0.0, 1.0)
        found = _capital(units, stakes, middle) - goal
        gone = found >= 0
        over, under = np.where(gone, found, over / 2), np.where(gone, under / 2, found)
        low, high = np.where(gone, middle, low), np.where(gone, high, middle)
        if (np.abs(found) < _NEAR)[~(never | always)].all():
            break
    return np.where(never, 0.0, np.where(always, 1.0, middle))


def _capital(units: Bounded, stakes: Floats, m: Floats) -> Floats:
    """[...] log K at the share `m`."""
    at = m[..., None]
    held = np.minimum(stakes, _STAKE / np.maximum(at, 1e-12))
    found: Floats = np.log1p(held * (units.y - at * units.s)).sum(axis=-1)
    return found
