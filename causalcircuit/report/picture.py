"""Intervals as lines of text, on axes that share their zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from causalcircuit.query import Interval

ZERO = "┊"
PLAIN = str.maketrans({"├": "|", "┤": "|", "─": "-", "●": "o", "┊": ":", "◂": "<", "▸": ">", "·": "-", "…": "~",
                       "█": "#", "▌": "#", "▐": "#", "↓": "v", "×": "x"})  # fmt: skip
"""What stands for each sign of a report where the output knows ASCII only."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of `cells` characters with 0 in the cell `zero`, `step` units a cell."""

    cells: int
    zero: int
    step: float

    def cell(self, x: float) -> int:
        """The cell that `x` falls into, the first or last one where it lies beyond."""
        return max(0, min(self.cells - 1, round(self.zero + max(-1e9, min(1e9, x / self.step)))))

    def draw(self, value: float, interval: Interval | None) -> str:
        """The interval from end to end with the value inside; arrows stand for infinite ends."""
        line = [" "] * self.cells
        if interval is not None:
            low, high = self.cell(interval.low), self.cell(interval.high)
            line[low : high + 1] = "─" * (high + 1 - low)
            line[low] = "◂" if math.isinf(interval.low) else "├"
            line[high] = "▸" if math.isinf(interval.high) else "┤"
        if line[self.zero] in " ─":
            line[self.zero] = ZERO
        line[self.cell(value)] = "●"
        return "".join(line)


def axes(points: Mapping[str, Iterable[float]], cells: int) -> dict[str, Axis]:
    """For each unit an axis that holds all its points and 0, the zeros in one column.

    Args:
        points: by unit, the values and finite ends of what is drawn.
        cells: the width of the picture in characters.
    """
    below = {unit: max(0.0, -min(xs, default=0.0)) for unit, xs in _lists(points)}
    above = {unit: max(0.0, *xs) for unit, xs in _lists(points)}
    share = max((below[u] / (below[u] + above[u]) for u in below if below[u] + above[u] > 0), default=0.0)
    other = max((above[u] / (below[u] + above[u]) for u in below if below[u] + above[u] > 0), default=1.0)
    zero = round((cells - 1) * share / (share + other))
    out = {}
    for unit in below:
        steps = [below[unit] / zero if zero else 0.0, above[unit] / (cells - 1 - zero) if zero < cells - 1 else 0.0]
        out[unit] = Axis(cells, zero, max(steps) or 1.0)
    return out


def _lists(points: Mapping[str, Iterable[float]]) -> list[tuple[str, list[float]]]:
    return [(unit, [0.0, *(x for x in xs if math.isfinite(x))]) for unit, xs in points.items()]
