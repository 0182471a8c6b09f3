"""What a heat map says of each estimate: how strong, with how many digits, and whether it is told apart from 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

from causalcircuit.query import Estimate
from causalcircuit.query.showing import Shown
from causalcircuit.report.figures import figure

EMPTY = "·"
"""Stands in a cell that no estimate belongs to."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The largest absolute value of a heat map, and the decimal places that its numbers are shown with."""

    most: float
    places: int

    def share(self, value: float) -> float:
        """A value as a part of the largest, with its sign."""
        return value / self.most

    def text(self, value: float) -> str:
        """A value in a cell."""
        return figure(value, self.places)

    def digit(self, value: float) -> str:
        """A value in two characters: its sign, and tenths of the largest, from 0 to 9."""
        tenth = min(9, int(10 * abs(self.share(value))))
        return f"{'-' if value < 0 else '+'}{tenth}" if tenth or value else " 0"


def scale_of(shown: Shown) -> Scale:
    """The scale of all maps of one `show`: three digits of the largest value."""
    most = max((abs(e.value) for e in shown.estimates if e.value is not None), default=0.0)
    places = 2 - math.floor(math.log10(most)) if most > 0 else 0
    return Scale(most or 1.0, max(0, places))


def apart(e: Estimate) -> bool:
    """Whether the interval of an estimate excludes 0."""
    return e.interval is not None and (e.interval.low > 0 or e.interval.high < 0)
