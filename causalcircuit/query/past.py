"""Runs that were made, as the store remembers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of a program.

    Attributes:
        id: what `cq runs` calls it. at: when it began, seconds since 1970. seconds: how long it took.
        name: of the program, as it was given. folder, text: where its relative paths start, and what it said.
        rows, worlds: of its tables. computed, stored: outcomes that were calculated, and that were found.
        state: `running` of a run that never ended. verdicts: how many claims have each.
        result: what the run printed as JSON, its manifest included.
    """

    id: str
    at: float
    name: str
    folder: str
    text: str
    tests_only: bool = False
    seconds: float = 0.0
    rows: int = 0
    worlds: int = 0
    computed: int = 0
    stored: int = 0
    state: State = "running"
    verdicts: dict[str, int] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


Agreement = Literal["equal", "rounding", "differs"]


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer of a result beside what was computed again.

    Attributes:
        name: of the answer. how: equal to the last bit, within rounding, or not. then, now: its value.
        distance: the largest relative distance of its numbers. what: which part of it differs most, where it does.
    """

    name: str
    how: Agreement
    then: float | None
    now: float | None
    distance: float = 0.0
    what: str = ""
