"""How likely a question is to be decided by the rows at hand, and how many would be enough: said before it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Power:
    """What a pilot says of the power of one question.

    Attributes:
        region: what is claimed, as the language writes it; of an estimate `≠ 0`: its interval excludes 0.
        target: the power that was asked for. level: of the interval that decides. unit: of the estimand.
        truth: the value that chances are of: the pilot's.
        units: how many the data have; counted: `rows` or `clusters`. rows_a_unit: on average.
        supported, refuted, inconclusive: the chances of the verdicts with all units; `None` where nothing is known.
        needed: units with which it is decided at `target`, `None` where none are enough; needed_at_worst: likewise with
            the spread at its upper 90% bound.
        detectable: values nearest to the region's ends at which it is supported at `target`, with all units.
        why: what it rests on, or why nothing is known.
    """

    region: str
    target: float
    level: float
    unit: str
    counted: str
    units: int
    rows_a_unit: float = 1.0
    truth: float | None = None
    supported: float | None = None
    refuted: float | None = None
    inconclusive: float | None = None
    needed: int | None = None
    needed_at_worst: int | None = None
    detectable: tuple[float, ...] = ()
    why: str = ""

    def rows(self, units: int) -> int:
        """About how many rows so many units are."""
        return round(units * self.rows_a_unit)
