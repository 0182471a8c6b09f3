"""What inference hands back, and how a claim's p is read off nested intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.inference._special import ndtr
from causalcircuit.query import Interval, Region

Ends = Callable[[float], tuple[float, float]]

_NEAR, _FAR = -8.0, 37.0
"""Normal quantiles of the largest and smallest errors that float64 tells from 1 and from 0."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """An estimate with all its intervals.

    Attributes:
        value: the estimate, `None` with a `reason`.
        interval: at `level`; `None` with a `reason`, or for a population.
        method: the estimator in words.
        n: rows that entered. clusters: sampling units, `None` where rows are independent.
        df: degrees of freedom, where there are any.
        warnings: warnings and notes, printed with the result.
    """

    value: float | None
    interval: Interval | None
    level: float
    method: str
    n: int
    clusters: int | None = None
    df: float | None = None
    reason: str = ""
    warnings: tuple[Diagnostic, ...] = ()
    _ends: Ends | None = field(default=None, repr=False, compare=False)
    _why: Callable[[float], str] | None = field(default=None, repr=False, compare=False)
    _tails: tuple[float, float] | None = field(default=None, repr=False, compare=False)

    @property
    def tests_zero(self) -> bool:
        """Whether its p are those of a test of 0, which gives no interval."""
        return self._tails is not None

    def interval_at(self, level: float) -> Interval | None:
        """The two-sided interval at another `level` (a fraction); `None` where there is none."""
        if self._ends is None:
            return None
        low, high = self._ends((1 - level) / 2)
        return Interval(low, high) if math.isfinite(low) and math.isfinite(high) else None

    def reason_at(self, level: float) -> str:
        """Why there is no interval at `level`; empty where there is one."""
        if self.interval_at(level) is not None:
            return ""
        if self._why is None:
            return self.reason
        return self._why((1 - level) / 2) or self.reason

    def p_inside(self, region: Region) -> float | None:
        """The smallest α at which the claim's interval lies inside `region`; `None` without intervals.

        The interval is that of level 1 − 2α, and of 1 − α where the region is the outside of a range.
        """
        if self._tails is not None:
            return _about_zero(self._tails, region)[0]
        if self._ends is None:
            return None
        if region.outside:
            return min(1.0, 2 * _beyond(self._ends, region, strict=region.closed))
        return _within(self._ends, region, strict=not region.closed)

    def p_outside(self, region: Region) -> float | None:
        """The smallest α at which the same interval is disjoint from `region`; `None` without intervals."""
        if self._tails is not None:
            return _about_zero(self._tails, region)[1]
        if self._ends is None:
            return None
        if region.outside:
            return min(1.0, 2 * _within(self._ends, region, strict=not region.closed))
        return _beyond(self._ends, region, strict=region.closed)


def _about_zero(tails: tuple[float, float], region: Region) -> tuple[float | None, float | None]:
    """The p of a claim and of its refutation by a test of 0, from those of being above and below it."""
    above, below = tails
    if (region.low, region.high, region.outside) == (0, 0, True):
        return min(1.0, 2 * min(above, below)), None
    if region.outside:
        return None, None
    if (region.low, region.high) == (0, math.inf):
        return above, below
    return (below, above) if (region.low, region.high) == (-math.inf, 0) else (None, None)


def _within(ends: Ends, region: Region, strict: bool) -> float:
    """The smallest one-sided error at which both bounds lie between the ends of `region`."""
    return max(
        _error(ends, lambda low, high: _above(low, region.low, strict)),
        _error(ends, lambda low, high: _above(-high, -region.high, strict)),
    )


def _beyond(ends: Ends, region: Region, strict: bool) -> float:
    """The smallest one-sided error at which one bound lies beyond the far end of `region`."""
    return min(
        _error(ends, lambda low, high: _above(low, region.high, strict)),
        _error(ends, lambda low, high: _above(-high, -region.low, strict)),
    )


def _error(ends: Ends, holds: Callable[[float, float], bool]) -> float:
    """The smallest one-sided error a at which `holds(lower, upper)`: bisection, as bounds are monotone in a."""

    def at(z: float) -> bool:
        return holds(*ends(float(ndtr(-z))))

    if not at(_NEAR):
        return 1.0
    if at(_FAR):
        return 0.0
    yes, no = _NEAR, _FAR
    while no - yes > 1e-12 * max(1.0, abs(yes)):
        middle = (yes + no) / 2
        yes, no = (middle, no) if at(middle) else (yes, middle)
    return float(ndtr(-yes))


def _above(x: float, end: float, strict: bool) -> bool:
    return end == -math.inf or (x > end if strict else x >= end)
