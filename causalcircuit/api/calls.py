"""Functions of quantities, as `norm(A)` and `quantile(Y | w, 0.9)`, and numbers with a unit, as `logit(-0.5)`.

Each builds the expression that the language builds for the same call; what its arguments may be is decided there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from causalcircuit.api.quantities import Quantity, merge, quantity
from causalcircuit.check.outputs import divergence
from causalcircuit.check.summaries import area_of, correlation_of, quantile_of
from causalcircuit.query import Call, Column, Number


def call(name: str, *arguments: Any) -> Quantity:
    """A function of the language."""
    given = [quantity(a) for a in arguments]
    return Quantity(Call(name, tuple(g.expr for g in given)), merge(*(g.models for g in given)))


def norm(of: Quantity) -> Quantity:
    """The Euclidean norm of a site's values."""
    return call("norm", of)


def dot(a: Quantity, b: Quantity) -> Quantity:
    """The inner product of two sites' values."""
    return call("dot", a, b)


def cosine(a: Quantity, b: Quantity) -> Quantity:
    """The cosine of two sites' values, each averaged over its positions."""
    return call("cosine", a, b)


def kl(a: Quantity, b: Quantity) -> Quantity:
    """The Kullback-Leibler divergence of `a` from `b`, two distributions such as `m.logits @ last`, in nats.

    Raises:
        DiagnosticError: CQ492, one of them is no distribution.
    """
    return Quantity(divergence((a.expr, b.expr), None), merge(a.models, b.models))


def quantile(value: Quantity, share: float) -> Quantity:
    """The value that a share of the rows does not exceed: `quantile(LD | w, 0.9)`.

    Raises:
        DiagnosticError: CQ920, the share is not between 0 and 1, or `value` an event; CQ214, an estimand.
    """
    return Quantity(quantile_of(value.expr, Number(float(share)), None), value.models)


def correlation(value: Quantity, other: Quantity) -> Quantity:
    """Pearson's correlation of two values over the rows.

    Raises:
        DiagnosticError: CQ214, one of them is an estimand.
    """
    return Quantity(correlation_of(value.expr, other.expr, None), merge(value.models, other.models))


def area(heights: Sequence[Quantity], at: Sequence[float] | None = None) -> Quantity:
    """The area under the straight lines through estimands, at rising numbers (by default 0, 1, 2, …).

    Raises:
        DiagnosticError: CQ920, the lists make no curve; CQ214, a member is no estimand.
    """
    places = None if at is None else [Number(float(x)) for x in at]
    made = area_of([h.expr for h in heights], places, None)
    return Quantity(made, merge(*(h.models for h in heights)))


def known(column: Quantity) -> Quantity:
    """Whether a column has a value on the row: for `where` and after a bar.

    Raises:
        TypeError: it is no column.
    """
    if not isinstance(column.expr, Column):
        raise TypeError(f"`known` takes a column, such as `row.age`, not `{column!r}`")
    return call("known", column)


def logit(x: float) -> Quantity:
    """A bound in logits, the `-0.5 logit` of the language."""
    return Quantity(Number(float(x), "logit"))


def nat(x: float) -> Quantity:
    """A number of nats, the unit of log-probabilities."""
    return Quantity(Number(float(x), "nat"))


def pp(x: float) -> Quantity:
    """A bound in percentage points, the `50 pp` of the language."""
    return Quantity(Number(float(x) / 100, "pp"))
