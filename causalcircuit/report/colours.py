"""Colours of a heat map: blue below 0, red above, stronger with the distance from 0.

The stops are those of ColorBrewer's RdBu (Brewer 2003), which people with colour vision deficiencies tell apart.
"""

from __future__ import annotations

from itertools import pairwise

RGB = tuple[int, int, int]

_STOPS: tuple[tuple[float, RGB], ...] = (
    (-1.0, (33, 102, 172)),
    (-0.6, (103, 169, 207)),
    (-0.25, (209, 229, 240)),
    (0.0, (250, 250, 250)),
    (0.25, (253, 219, 199)),
    (0.6, (239, 138, 98)),
    (1.0, (178, 24, 43)),
)


def colour(share: float) -> RGB:
    """The colour of a value at `share` of the scale, from -1 to 1."""
    x = max(-1.0, min(1.0, share))
    for (low, a), (high, b) in pairwise(_STOPS):
        if x <= high:
            t = (x - low) / (high - low)
            return round(a[0] + t * (b[0] - a[0])), round(a[1] + t * (b[1] - a[1])), round(a[2] + t * (b[2] - a[2]))
    return _STOPS[-1][1]


def hex_of(rgb: RGB) -> str:
    """As SVG and rich write it."""
    return "#" + "".join(f"{x:02x}" for x in rgb)


def dark(rgb: RGB) -> bool:
    """Whether white letters are read better on it than black ones (relative luminance, WCAG 2)."""
    linear = [x / 255 / 12.92 if x <= 10 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.3
