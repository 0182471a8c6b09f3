"""The mean of an outcome as a function of a design: a line, or of an outcome of 0 and 1 a logistic curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.inference.observed._linear import Regression
from causalcircuit.inference.observed._logit import logit, shares
from causalcircuit.inference.observed._table import Column, Data, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A fitted mean.

    Attributes:
        gamma: [p] coefficients of the design. logistic: whether the design gives log-odds.
        moved: gives [G, p], the coefficients less what they are without each unit: exact of lines, one Newton step of
            logistic curves.
    """

    gamma: Floats
    logistic: bool
    moved: Callable[[], Floats]

    @classmethod
    def of(cls, data: Data, design: Floats, names: Sequence[str], outcome: Column) -> Curve:
        """Fit an outcome; lines where no logistic curve fits, as its rows are separated.

        Raises:
            DiagnosticError: CQ852 a constant or collinear column, CQ853 fewer units than coefficients.
        """
        y = outcome.values
        lines = Regression.of(data, design, names, y[:, None])
        gamma = logit(design, y, data.weight) if binary(outcome) else None
        if gamma is None:
            sums = lines.sums(data)
            flat = sums.value(lines.coefficients)[:, 0]
            return cls(flat, False, lambda: flat - sums.left_out(lines.coefficients)[:, :, 0])
        e = shares(design, gamma)
        curve = data.weight * e * (1 - e)
        newton = Regression.of(data, design, names, ((y - e) / (e * (1 - e)))[:, None], weight=curve)

        def moved() -> Floats:
            sums = newton.sums(data)
            whole = sums.value(newton.coefficients)[:, 0]
            return np.asarray(whole - sums.left_out(newton.coefficients)[:, :, 0])

        return cls(gamma, True, moved)

    def at(self, design: Floats) -> Floats:
        """[n] the mean at lines of a design [n, p]."""
        return shares(design, self.gamma) if self.logistic else np.asarray(design @ self.gamma)

    def slopes(self, design: Floats) -> Floats:
        """[n, p] how the mean moves with the coefficients."""
        mean = self.at(design)
        return np.asarray((mean * (1 - mean))[:, None] * design if self.logistic else design)


def binary(outcome: Column) -> bool:
    """Whether an outcome is 0 or 1 on every row."""
    return bool(np.isin(outcome.values, (0.0, 1.0)).all())
