"""The two values of the treatment that are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import varied
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
    def two_valued(self) -> bool:
        """Whether no row has any other value."""
        return bool(np.isin(self.treatment.values, (self.low, self.high)).all())

    @property
    def scaled(self) -> Floats:
        """[n] the treatment in steps from the low value to the high one, counted from its mean.

        Raises:
            DiagnosticError: CQ859, text of more than the two labels has no such scale.
        """
        if self.treatment.labels is not None and not self.two_valued:
            raise error(
                "CQ859",
                f"`{self.treatment.name}` holds text of more than two labels: it has no slope",
                help="use `how='cells'`, or keep the rows of the two labels",
            )
        return np.asarray((self.treatment.values - self.treatment.values.mean()) / self.step)

    def treated(self, method: str) -> Floats:
        """[n] 1 where the treatment is high, 0 where it is low.

        Raises:
            DiagnosticError: CQ859, a row has another value.
        """
        if not self.two_valued:
            raise error(
                "CQ859",
                f"{method} compares two values, and `{self.treatment.name}` has {len(self.treatment.levels)}",
                help="cut the column in two, or use `how='regression'`",
            )
        return np.asarray(self.treatment.values == self.high, np.float64)

    @property
    def text(self) -> str:
        """The contrast in symbols."""
        x, y = self.treatment, self.outcome.name
        sides = (f"E[{y} | do({x.name} = {x.shown(v)})]" for v in (self.high, self.low))
        return " - ".join(sides)
