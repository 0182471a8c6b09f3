"""The questions on one data set on their way to a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import causalcircuit.rows as rows
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Command, DataRef, ModelRef, OutcomeTable
from causalcircuit.query.plan import Plan
from causalcircuit.runs.keeping import Shelf
from causalcircuit.runs.keys import Keys
from causalcircuit.runs.remarks import places, read, written
from causalcircuit.runs.rewiring import Rewiring
from causalcircuit.runs.sequential import Watches

if TYPE_CHECKING:
    from causalcircuit.engine import Prepared


@dataclass(slots=True, eq=False)
class Task:
    """One data set with all that is asked of it.

    Attributes:
        columns: the rows with just what conditions and groups read. data: all of them. plan: what is run.
        asked: the commands. models: that are run, by name. keys, shelf: of the store; no shelf without one.
        ready: the plan with its models, where something is to be computed. table: where nothing is.
        rewiring: what is read in worlds with wires of circuits, where there is something.
        watches: of questions that may stop before the last row.
        found: remarks of a table that was found. machine: what its numbers were computed on.
    """

    columns: rows.Dataset
    data: rows.Dataset
    plan: Plan
    asked: tuple[Command, ...]
    models: Mapping[str, ModelRef]
    keys: Keys
    shelf: Shelf | None
    ready: Prepared | None = None
    table: OutcomeTable | None = None
    rewiring: Rewiring | None = None
    found: tuple[Diagnostic, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    watches: Watches | None = None

    @property
    def pairs(self) -> int:
        """Rows × worlds."""
        return self.plan.row_passes + (0 if self.rewiring is None else self.rewiring.pairs)

    @property
    def seeds(self) -> set[int]:
        """Of what is random in the questions."""
        return {c.options.seed for c in self.asked if c.options.seed is not None}

    @property
    def notes(self) -> tuple[Diagnostic, ...]:
        """What was remarked before any pass."""
        return self.found if self.ready is None else self.ready.notes


def found_in_store(task: Task) -> bool:
    """Whether all that a task needs was found: every outcome, and the remarks of its plan. No model is needed then."""
    from causalcircuit.engine.outcomes import make_table

    if task.shelf is None or (task.rewiring is not None and not task.rewiring.complete):
        return False
    key = task.shelf.plan(task.plan)
    said = None if key is None else task.shelf.recall(key)
    if said is None:
        return False
    known = places(task.asked, task.models.values())
    before, after = read(said.get("before"), known), read(said.get("after"), known)
    cells = task.shelf.cells(task.plan)
    if before is None or after is None or cells is None:
        return False
    outcomes = float(task.data.n * len(cells))
    table = make_table(task.data, cells, {"row_passes": 0.0, "stored": outcomes}, task.data.n, True)
    table = replace(table, elsewhere=task.plan.others, notes=after)
    task.table = table if task.rewiring is None else task.rewiring.joined(table)
    task.found, task.machine = before, said.get("machine", {})
    return True


def of_rows(task: Task) -> OutcomeTable:
    """The table of questions that rows answer alone: nothing has to run, and nothing is kept."""
    from causalcircuit.engine.outcomes import make_table

    return make_table(task.data, {}, {"row_passes": 0.0}, task.data.n, True)


def remember(task: Task, table: OutcomeTable) -> None:
    """Keep what a whole plan had to say, so that it need not be prepared again."""
    key = None if task.shelf is None else task.shelf.plan(task.plan)
    if task.shelf is None or key is None:
        return
    known = places(task.asked, task.models.values())
    before, after = written(task.notes, known), written(table.notes, known)
    if before is not None and after is not None:
        task.shelf.remember(key, {"before": before, "after": after, "machine": dict(task.machine)})


def labelled(tables: Mapping[DataRef, OutcomeTable]) -> dict[str, OutcomeTable]:
    """Tables by their data's label; data of one name, from several files, are told apart by a number."""
    out: dict[str, OutcomeTable] = {}
    for ref, table in tables.items():
        label, k = ref.label, 2
        while label in out:
            label, k = f"{ref.label}_{k}", k + 1
        out[label] = table
    return out
