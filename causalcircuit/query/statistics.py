"""References beyond the mean: directions and principal components."""

from __future__ import annotations

from dataclasses import dataclass, field

from causalcircuit.query.expr import Expr, Statistic


@dataclass(frozen=True, slots=True)
class Direction(Statistic):
    """`direction(A, w1, w0)`: the mean of `of`, `(A | w1)`, less the mean of `than`, `(A | w0)`; not normalised."""

    than: Expr = field(kw_only=True)

    @property
    def parts(self) -> tuple[Expr, ...]:
        """The site in both worlds."""
        return (self.of, self.than)


@dataclass(frozen=True, slots=True)
class Component(Statistic):
    """`pc1(A)`: the first principal component of a site over the rows, of length 1.

    The eigenvector of the largest eigenvalue of the weighted covariance about the mean; of its two signs the one
    whose entry of largest size is positive (of equal sizes the first). Pooled, every position is an observation, and
    a row's positions share its weight.
    """
