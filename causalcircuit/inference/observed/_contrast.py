"""The two values of the treatment that are compared."""

from __future__ import annotations

from dataclasses import dataclass

from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import varied
from causalcircuit.inference.observed._means import Arms
from causalcircuit.inference.observed._table import Column, Data, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """E[outcome | do(treatment = high)] − E[outcome | do(treatment = low)]."""

    treatment: Column
    outcome: Column
    low: float
    high: float

    @classmethod
    def of(cls, data: Data, treatment: str, outcome: str, values: tuple[object, object] | None) -> Contrast:
        """The contrast of `values`, (low, high); of the two values that the column has, where none are given.

        Raises:
            DiagnosticError: CQ852 a constant treatment, CQ859 values that cannot be compared, an outcome of text.
        """
        x, y = data[treatment], data[outcome]
        if y.labels is not None:
            raise error("CQ859", f"`{outcome}` holds text: it has no mean", help="make it a number, such as 0 and 1")
        varied(x)
        if values is None:
            if len(x.levels) != 2:
                raise error(
                    "CQ859",
                    f"`{treatment}` has {len(x.levels)} values: which two are compared is open",
                    help=f"give `values`, such as ({x.shown(x.levels[0])}, {x.shown(x.levels[-1])})",
                )
            return cls(x, y, float(x.levels[0]), float(x.levels[1]))
        low, high = (x.number_of(v) for v in values)
        if low == high:
            raise error("CQ859", f"`{treatment}` is compared with itself", help="give two values that differ")
        return cls(x, y, low, high)

    @property
    def step(self) -> float:
        """How far the values lie apart."""
        return self.high - self.low

    @property
    def arms(self) -> Arms:
        """The two means that are compared, that under the higher value first."""
        return Arms(self.treatment, self.outcome, (self.high, self.low))

    @property
    def scaled(self) -> Floats:
        """[n] the treatment in steps from the low value to the high one, counted from its mean.

        Raises:
            DiagnosticError: CQ859, text of more than the two labels has no such scale.
        """
        return self.arms.scaled * (self.arms.step / self.step)

    @property
    def text(self) -> str:
        """The contrast in symbols."""
        x, y = self.treatment, self.outcome.name
        sides = (f"E[{y} | do({x.name} = {x.shown(v)})]" for v in (self.high, self.low))
        return " - ".join(sides)
