"""Estimands that are no means: quantiles of a value over the rows, correlations of two."""

from __future__ import annotations

from dataclasses import dataclass, field

from causalcircuit.query.expr import FACTUAL, Counterfactual, Expr, World


@dataclass(frozen=True, slots=True)
class Summary(Expr):
    """A number for all rows of what stands inside, in its world; like `Expect` it is an estimand, and no mean."""

    value: Expr
    world: World = FACTUAL


@dataclass(frozen=True, slots=True)
class Quantile(Summary):
    """`quantile((Y | w), 0.9)`: the value that a share of the rows does not exceed."""

    share: float = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Correlation(Summary):
    """`correlation(A, B)`: Pearson's, over the rows."""

    other: Expr = field(kw_only=True)


def quantile(value: Expr, share: float) -> Quantile:
    """The quantile of a row value, which may stand in a world: `(Y | w)`."""
    if isinstance(value, Counterfactual):
        return Quantile(value.value, value.world, share=share, span=value.span)
    return Quantile(value, share=share, span=value.span)


def correlation(value: Expr, other: Expr) -> Correlation:
    """The correlation of two row values, each in its world or both in one."""
    if isinstance(value, Counterfactual) and isinstance(other, Counterfactual) and value.world == other.world:
        return Correlation(value.value, value.world, other=other.value, span=value.span)
    return Correlation(value, other=other, span=value.span)
