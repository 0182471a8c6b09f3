"""A share among independent draws, exactly: the tails of the binomial (Clopper & Pearson 1934, Biometrika 26)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Of `n` draws `won` are beaten."""

    won: int
    n: int

    @property
    def value(self) -> float:
        """The estimate."""
        return self.won / self.n

    def low(self, a: float) -> float:
        """The lower bound at one-sided error `a`."""
        from scipy.special import betaincinv

        k = self.won
        return 0.0 if k == 0 else float(betaincinv(k, self.n - k + 1, a))

    def high(self, a: float) -> float:
        """The upper bound at one-sided error `a`."""
        from scipy.special import betaincinv

        k = self.won
        return 1.0 if k == self.n else float(betaincinv(k + 1, self.n - k, 1 - a))

    def p_above(self, share: float) -> float:
        """P(at least as many won | the share is `share`): the p of the claim that it is larger."""
        return at_least(self.won, self.n, share)

    def p_below(self, share: float) -> float:
        """P(at most as many won | the share is `share`): the p of the claim that it is smaller."""
        return at_least(self.n - self.won, self.n, 1 - share)  # as many lost: no difference of near ones


def at_least(k: int, n: int, share: float) -> float:
    """P(X ≥ k) for X binomial of `n` draws."""
    from scipy.special import betainc

    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(betainc(k, n - k + 1, share))


def fewest_draws(share: float, alpha: float) -> int:
    """The fewest draws of which all won would show, at one-sided error `alpha`, that more than `share` are."""
    return 1 if share <= 0 else math.ceil(math.log(alpha) / math.log(share) - 1e-9)
