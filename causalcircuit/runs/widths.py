"""How wide intervals will be: from outcomes that are stored, from a pilot of some rows, or from the run itself."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.inference import infer, sample_of
from causalcircuit.query import Command, Estimation, OutcomeTable, Program, Query
from causalcircuit.query.forecast import Cost, Width
from causalcircuit.query.power import Power
from causalcircuit.runs.columns import arrays, with_columns
from causalcircuit.runs.powers import power_of
from causalcircuit.runs.progress import AfterPass, Progress
from causalcircuit.runs.rewiring import plain_queries, split

if TYPE_CHECKING:
    from causalcircuit.runs.planning import Planned, PlanWishes, Sketches

UNKNOWN = Width(None, "unknown", "nothing of it was run yet: `--pilot 20` runs 20 rows")
GROUPED = Width(None, "unknown", "intervals of row groups are not forecast")
REWIRED = Width(None, "unknown", "worlds with wires of circuits are not run for a plan")
Key = tuple[int, Query]


@dataclass(slots=True)
class Found:
    """What is known of the questions on one data set.

    Attributes:
        widths: by command and question. stored: the share of outcomes in the store, where it was asked.
        actual: widths of a run. cost: of that run. powers: by command and number of the question, where asked for.
    """

    widths: dict[Key, Width] = field(default_factory=dict)
    stored: float | None = None
    actual: dict[Key, float] = field(default_factory=dict)
    cost: Cost | None = None
    powers: dict[tuple[int, int], Power] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Outlook:
    """Where widths come from, for one program."""

    program: Program
    sketches: Sketches
    wishes: PlanWishes
    positions: int

    def of(self, each: Planned, progress: Progress | None) -> Found:
        """What is known of one data set."""
        found = Found()
        if self.wishes.pilot:
            chosen = _whole_clusters(each.data, self.wishes.pilot)
            table, _ = self._run(each, each.data.take(chosen), progress)
            self._widths(found, each, table, "pilot")
        else:
            self._stored(found, each)
        if self.wishes.analyze:
            table, cost = self._run(each, each.data, progress, measured=True)
            found.cost = cost
            for command in each.asked:
                for query in plain_queries(command):
                    made = infer(sample_of(query.expr, table), command.options).interval
                    if made is not None and math.isfinite(made.high - made.low):
                        found.actual[id(command), query] = made.high - made.low
        return found

    def _stored(self, found: Found, each: Planned) -> None:
        """Look at the outcomes of earlier runs."""
        from causalcircuit.runs.stored import stored_table

        table, found.stored = stored_table(self.program, each.plan, each.data, each.asked, self.wishes.how)
        if table is not None:
            self._widths(found, each, table, "stored")

    def _widths(self, found: Found, each: Planned, table: OutcomeTable, source: Any) -> None:
        """Scale the intervals of some rows to all of them."""
        labels = rows.clusters(each.data)
        every = each.data.n if labels is None else len(set(labels))
        for command in each.asked:
            for query in plain_queries(command):
                found.widths[id(command), query] = _width(command, query, table, every, source)
            target = self.wishes.power
            if target is None or (isinstance(command, Estimation) and command.per is not None):
                continue
            known = plain_queries(command)
            for number, query in enumerate(queries_of(command)):
                if query in known:
                    made = power_of(command, number, query, table, each.data, target, source)
                    found.powers[id(command), number] = made

    def _run(
        self, each: Planned, data: rows.Dataset, progress: Progress | None, *, measured: bool = False
    ) -> tuple[OutcomeTable, Cost | None]:
        """Run the plan on some rows with loaded models."""
        from causalcircuit.engine import execute, prepare
        from causalcircuit.engine.cost.meter import Meter
        from causalcircuit.engine.plan import make_plan

        models = {n: self.sketches.load(self.program.models[n]) for n in each.plan.models}
        cells, _ = split([q.expr for c in each.asked for q in queries_of(c)])
        plan = make_plan(cells, data, {n: sites(ref) for n, ref in self.program.models.items()})
        ready = prepare(plan, models, data)
        total = ready.plan.row_passes

        def heard(done: int, of: int) -> None:
            if progress is not None:
                progress(done, total, each.ref.label)

        start = time.perf_counter()
        try:
            with Meter(models.values()) as meter:
                table = execute(ready, heard, self.positions, self.wishes.how)
        except DiagnosticError as problem:
            raise AfterPass(*problem.diagnostics) from None
        seconds = time.perf_counter() - start
        table = replace(table, columns={**table.columns, **arrays(with_columns(data, each.asked), table)})
        if not measured:
            return table, None
        flops = None
        if seconds < _AGAIN:
            flops = meter.flops(lambda: execute(ready, None, self.positions, self.wishes.how))
        rows_run = int(table.cost.get("row_passes", 0))
        return table, Cost(meter.passes, rows_run, flops, seconds=seconds, memory=meter.memory)


_AGAIN = 60.0
"""A run of fewer seconds is made a second time to count its operations: counting slows it down."""


def _width(command: Command, query: Query, table: OutcomeTable, every: int, source: Any) -> Width:
    """The width that an interval of `every` units will have, from one of fewer."""
    options = command.options
    if options.population:
        return Width(0.0, "exact", "these rows are the population: no interval")
    try:
        made = infer(sample_of(query.expr, table), replace(options, method="default", resamples=None, seed=None))
    except DiagnosticError as problem:
        return Width(None, "unknown", problem.diagnostics[0].message)
    if made.interval is None or not math.isfinite(made.interval.high - made.interval.low):
        return Width(None, "unknown", made.reason or "the interval of these rows has no ends")
    units = made.clusters if made.clusters is not None else made.n
    wide = made.interval.high - made.interval.low
    what = "clusters" if made.clusters is not None else "rows"
    shown = f"{made.n} rows" + (f" in {units} clusters" if made.clusters is not None else "")
    if units >= every:
        return Width(wide, source, f"all {shown} are known")
    scaled = wide * math.sqrt(units / every) * _quantiles(options.level, every) / _quantiles(options.level, units)
    kind = "a pilot of" if source == "pilot" else "stored outcomes of"
    return Width(
        scaled,
        source,
        f"{kind} {shown}, scaled by the root of {units}/{every} {what}: as if the others vary as these do",
    )


def _quantiles(level: float, units: int) -> float:
    """Of the t distribution: an interval of few units is wider by more than their number."""
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, max(1, units - 1)))


def _whole_clusters(data: rows.Dataset, wanted: int) -> list[int]:
    """Rows spread evenly over the data, whole clusters of them, at least `wanted` where there are so many."""
    found: dict[Any, list[int]] = {}
    for i, label in enumerate(rows.clusters(data) or range(data.n)):
        found.setdefault(label, []).append(i)
    groups = list(found.values())
    size = data.n / max(1, len(groups))
    count = min(len(groups), max(2, math.ceil(wanted / size)))
    while True:
        places = sorted({round(k * (len(groups) - 1) / max(1, count - 1)) for k in range(count)})
        chosen = sorted(i for p in places for i in groups[p])
        if len(chosen) >= min(wanted, data.n) or count >= len(groups):
            return chosen
        count += 1
