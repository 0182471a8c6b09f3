"""Numbers for people: as many digits as the interval bears."""

from __future__ import annotations

import math

from causalcircuit.query import Interval

_LONGEST = 8
"""Decimal places beyond which a number is written with an exponent."""
_LARGEST = 1e7
"""Numbers from here on are written with an exponent."""


def decimals(value: float, interval: Interval | None) -> int:
    """How many decimal places to show; below 0 where not even the last digits before the point are certain.

    Two digits of the interval's longer half, at most six digits of the value; four digits of the value where
    no interval says how far it can be trusted.
    """
    ends = () if interval is None else (interval.low, interval.high)
    spread = max((abs(end - value) for end in ends if math.isfinite(end)), default=0.0)
    if spread > 0:
        wanted = 1 - _magnitude(spread)
        return min(wanted, 5 - _magnitude(value)) if value else wanted
    return 3 - _magnitude(value) if value else 0


def figure(x: float, places: int) -> str:
    """`x` with `places` decimal places, or with an exponent where it is very large or very small."""
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x != 0 and (abs(x) >= _LARGEST or places > _LONGEST):
        return f"{x:.{max(0, min(_magnitude(x) + places, 5))}e}"
    text = f"{x:.{max(0, min(places, _LONGEST))}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def bounds(interval: Interval, places: int) -> str:
    """An interval in brackets; an infinite end is open."""
    left = "(" if math.isinf(interval.low) else "["
    right = ")" if math.isinf(interval.high) else "]"
    return f"{left}{figure(interval.low, places)}, {figure(interval.high, places)}{right}"


def percent(level: float) -> str:
    """`0.95` as `95%`."""
    return f"{100 * level:.6g}%"


def p_value(p: float | None) -> str:
    """A p-value with four decimals."""
    if p is None:
        return "none"
    return "<.0001" if p < 0.0001 else f"{p:.4f}"


def count(n: float, one: str, many: str | None = None) -> str:
    """`1 row`, `1,024 rows`."""
    return f"{n:,.0f} {one if n == 1 else many or one + 's'}"


def _magnitude(x: float) -> int:
    return math.floor(math.log10(abs(x)))
