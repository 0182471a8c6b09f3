"""When a run with a stopping rule is looked at, and whether it may stop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from causalcircuit.inference._decide import Decision
    from causalcircuit.inference._inferred import Inferred
    from causalcircuit.query.until import Until

FIRST_LOOK = 10
"""Units at the first look."""
_STEP = 0.05
"""Looks are so far apart, as a share of the units that were seen: their number grows with the logarithm of units."""


def looks(units: int) -> Iterator[int]:
    """How many units have been seen at each look, the last with all of them.

    They depend on the number of units alone, so that a run stops at the same look however its passes are cut.
    """
    at = FIRST_LOOK
    while at < units:
        yield at
        at += max(1, math.ceil(_STEP * at))
    yield units


def narrow_enough(until: Until, found: Sequence[Inferred]) -> bool:
    """Whether every interval is narrower than the rule says."""
    if until.width is None:
        return False
    intervals = [x.interval for x in found]
    return all(i is not None and i.high - i.low < until.width for i in intervals)


def all_decided(found: Sequence[Decision]) -> bool:
    """Whether no claim is left open."""
    return all(d.verdict != "inconclusive" for d in found)
