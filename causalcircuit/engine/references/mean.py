"""`mean(A)`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.references.kinds import Partial, kind, weighted_sum
from causalcircuit.engine.values import Value
from causalcircuit.query import Mean, Statistic


@kind(Mean)
class MeanKind:
    """The weighted sum over rows, by the sum of the weights."""

    def partial(self, e: Statistic, values: Sequence[Value], weights: Tensor) -> Partial:
        """The weighted sum, and the weights'."""
        return {"sum": weighted_sum(values[0], weights, e.pooled), "weight": weights.sum()}

    def complete(self, e: Statistic, total: Partial) -> Tensor:
        """Their ratio."""
        return total["sum"] / total["weight"]

    def notes(self, e: Statistic, total: Partial) -> tuple[Diagnostic, ...]:
        """A mean says nothing more."""
        return ()
