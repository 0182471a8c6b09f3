"""Counterfactual values of single rows: abduction, action, prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from causalcircuit.diagnostics import error
from causalcircuit.inference._student import quantile
from causalcircuit.inference.observed._result import Asked
from causalcircuit.inference.observed._table import Floats
from causalcircuit.scm.mechanisms import Mechanisms
from causalcircuit.scm.worlds import Moment


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A counterfactual value of each row, with an interval of what the fit leaves open.

    Attributes:
        value, low, high: [n]. level: of the interval of each row by itself. row: [n] its number in the table, from 1.
    """

    value: Floats
    low: Floats
    high: Floats
    level: float
    row: Floats


@runtime_checkable
class Invertible(Protocol):
    """Mechanisms of which a row shows its errors."""

    def each(self, moment: Moment, asked: Asked) -> tuple[Floats, Floats, float]:
        """[n] values, [n] standard errors, degrees of freedom."""


def rowwise(mechanisms: Mechanisms, moment: Moment, asked: Asked) -> Rows:
    """The values of all rows.

    Raises:
        DiagnosticError: CQ884, the mechanisms do not say which errors a row had.
    """
    if not isinstance(mechanisms, Invertible):
        raise error(
            "CQ884",
            f"a {mechanisms.words} does not say what a single row would have been",
            help="its errors are not seen: ask for a mean over rows, or fit `linear_gaussian` or `additive_noise`",
        )
    value, se, df = mechanisms.each(moment, asked)
    q = float(quantile(np.asarray(df), (1 - asked.level) / 2))
    return Rows(value, value - q * se, value + q * se, asked.level, mechanisms.data.row.astype(np.float64))
