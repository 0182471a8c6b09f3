"""The power of a program's questions, from outcomes of some rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import causalcircuit.rows as rows
from causalcircuit.check import region_text
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.inference import at_worst, chances, claim_level, detectable, pilot_of, sample_of, units_needed
from causalcircuit.query import Command, Estimation, OutcomeTable, Query, Region, Testing, unit_of
from causalcircuit.query.families import fewest, title_of
from causalcircuit.query.power import Power

DIFFERENT = Region(0.0, 0.0, closed=True, outside=True)
"""What is asked of an estimate: that its interval excludes 0."""
_SOURCES = {"pilot": "a pilot", "stored": "stored outcomes"}


def check_power(power: float | None) -> None:
    """Refuse a power that is none.

    Raises:
        DiagnosticError: CQ945.
    """
    if power is not None and not 0 < power < 1:
        way = "a power is the chance of a verdict, between 0 and 1: `--power 0.8`"
        raise error("CQ945", f"a power of {power:g} is none", help=way)


def power_of(
    command: Command, number: int, query: Query, table: OutcomeTable, data: rows.Dataset, target: float, source: str
) -> Power:
    """How likely one question of a command is to be decided.

    Args:
        command: whose `number`-th question it is. query: the question. table: outcomes of some rows of `data`.
        target: the power that is asked for. source: of the outcomes, `pilot` or `stored`.
    """
    labels = rows.clusters(data)
    units = data.n if labels is None else len(set(labels))
    blank = _blank(command, number, query, target, units, labels)
    region = command.claims[number].region if isinstance(command, Testing) else DIFFERENT
    if command.options.population:
        return replace(blank, why="these rows are the population: nothing is left open by chance")
    try:
        pilot = pilot_of(sample_of(query.expr, table), command.options)
    except DiagnosticError as problem:
        return replace(blank, why=problem.diagnostics[0].message)
    if pilot.reason:
        return replace(blank, why=f"nothing can be said of its power: {pilot.reason}")
    found = chances(pilot, units, region, blank.level)
    corrected = command.correction if isinstance(command, Testing) else "none"
    times = fewest(len(_claims(command)), corrected) if corrected != "none" else 1.0
    return replace(
        blank,
        truth=pilot.value,
        supported=found.supported,
        refuted=found.refuted,
        inconclusive=found.inconclusive,
        needed=units_needed(pilot, region, blank.level, target, "either"),
        needed_at_worst=units_needed(at_worst(pilot), region, blank.level, target, "either"),
        detectable=detectable(pilot, units, region, blank.level, target),
        why=f"{_SOURCES[source]} of {table.n} rows in {pilot.units} {blank.counted}: as if its value were the truth, "
        + ("counted over the binomial" if pilot.share is not None else "its spread known, units near to normal")
        + (f"; at α/{times:.4g}, which {title_of(corrected)}'s correction reaches at least" if times > 1 else ""),
    )


def _blank(command: Command, number: int, query: Query, target: float, units: int, labels: Any) -> Power:
    """A question of whose power nothing is known."""
    if isinstance(command, Testing):
        claim = command.claims[number]
        alpha = command.alpha / fewest(len(command.claims), command.correction)
        text, level = region_text(claim), claim_level(claim.region, alpha)
    else:
        text, level = "≠ 0", command.options.level
    counted = "rows" if labels is None else "clusters"
    return Power(
        text, target, level, unit_of(query.expr), counted, units, 1.0 if labels is None else len(labels) / units
    )


def _claims(command: Command) -> tuple[Any, ...]:
    return command.queries if isinstance(command, Estimation) else command.claims


def unknown_power(command: Command, number: int, query: Query, data: rows.Dataset, target: float, why: str) -> Power:
    """The same where no outcome is known."""
    labels = rows.clusters(data)
    units = data.n if labels is None else len(set(labels))
    return replace(_blank(command, number, query, target, units, labels), why=why)
