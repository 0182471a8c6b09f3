"""`direction(A, w1, w0)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.references.kinds import Partial, kind, weighted_sum
from causalcircuit.engine.values import Value
from causalcircuit.query import Direction, Statistic, render

_DUST = 1e-5
"""Of the means' size: below it a difference in float32 may be rounding."""


@kind(Direction)
class DirectionKind:
    """The difference of two means over the same rows."""

    def partial(self, e: Statistic, values: Sequence[Value], weights: Tensor) -> Partial:
        """The weighted sums in both worlds, and the weights'."""
        to, base = (weighted_sum(v, weights, e.pooled) for v in values)
        return {"to": to, "base": base, "weight": weights.sum()}

    def complete(self, e: Statistic, total: Partial) -> Tensor:
        """The difference of the means, as it is: not normalised."""
        return (total["to"] - total["base"]) / total["weight"]

    def notes(self, e: Statistic, total: Partial) -> Iterator[Diagnostic]:
        """A warning where the means hardly differ."""
        size = float((total["to"] - total["base"]).norm())
        scale = max(float(total["to"].norm()), float(total["base"].norm()))
        if size <= _DUST * scale:
            said = "is 0" if size == 0 else f"is {size / scale:.0e} times the size of the means it separates"
            yield Diagnostic(
                "CQ366",
                f"`{render(e)}` {said}",
                e.span,
                severity="warning",
                help=("the two worlds give this site the same mean: what they differ in may come after it",),
            )
