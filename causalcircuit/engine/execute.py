"""Filling the table: sweeps over the rows, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.engine.batches import halves
from causalcircuit.engine.demand import Demand, Left
from causalcircuit.engine.generate import forced, write
from causalcircuit.engine.heap import kept_heap
from causalcircuit.engine.kept import Item, Kept
from causalcircuit.engine.late import fed
from causalcircuit.engine.mass import MassCheck
from causalcircuit.engine.outcomes import check_finite, make_table
from causalcircuit.engine.passes import keep_outputs
from causalcircuit.engine.prepared import Prepared
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.schedule import BARE, How, PassPlan, Schedule
from causalcircuit.engine.sharing import Sharing
from causalcircuit.engine.spelling import SpellingCheck
from causalcircuit.engine.values import evaluate
from causalcircuit.models import LoadedModel
from causalcircuit.query import Cell, Counterfactual, Generated, OutcomeTable, Statistic, is_text

Progress = Callable[[int, int], None]
"""Called with the (row, world) pairs done and in all."""
Enough = Callable[[int, Mapping[Cell, NDArray[Any]]], bool]
"""Called with how many rows from the first on are done, and all cells."""


def execute(
    prepared: Prepared,
    progress: Progress | None = None,
    max_tokens: int = 2048,
    how: How = "full",
    kept: Kept | None = None,
    enough: Enough | None = None,
) -> OutcomeTable:
    """Run a prepared plan.

    Worlds that need nothing of each other share passes along the batch axis, and what they have in common is computed
    once (see `Schedule`). Chunks depend on the plan, the rows, `max_tokens` and `how` only, so runs on a CPU are
    repeatable bit for bit. Ctrl-C ends the run and keeps whole rows.

    Args:
        prepared: from `prepare`.
        progress: told after every pass.
        max_tokens: padded positions a pass, over all towers: the memory limit. Passes that do not fit the device's
            memory all the same are halved.
        how: `naive` runs every world whole; the numbers agree to rounding.
        kept: outcomes of earlier runs, which are not computed again; what is new is kept there, chunk by chunk.
        enough: asked after every chunk of the last sweep whether its rows are enough.

    Returns:
        The table; `complete` is false and the rows are the first ones where the run was interrupted. Where rows were
        enough before the last one, they are the first ones too.

    Raises:
        DiagnosticError: CQ701 an outcome that is no number, CQ702 an answer in the wrong spelling, CQ703 a pass that
            the device's memory does not hold.
    """
    start = time.perf_counter()
    meter = _Meter(prepared.plan.row_passes, progress)
    run = _Execution(prepared, meter, max_tokens, how, kept)
    run.enough = enough
    complete = True
    try:
        with kept_heap(run.reads.device.type == "cpu"):
            run.all()
        if not run.stopped:
            run.finish()
        run.spelling.raise_wrong()
    except KeyboardInterrupt:
        complete = False
    cost = {"row_passes": float(meter.passes), "seconds": time.perf_counter() - start, "stored": float(run.stored)}
    rows = prepared.data.n if complete and not run.stopped else run.demand.rows_done
    table = make_table(prepared.data, {c: v[:rows] for c, v in run.cells.items()}, cost, rows, complete)
    return replace(table, elsewhere=prepared.plan.others, notes=(*run.mass.notes(), *run.notes()))


def references(prepared: Prepared) -> Mapping[Statistic, torch.Tensor]:
    """The statistics over all rows that a prepared plan needs, and nothing else of it."""
    run = _Execution(prepared, _Meter(prepared.plan.row_passes, None), 2048, "full")
    with kept_heap(run.reads.device.type == "cpu"):
        run.all()
    return run.reads.means


@dataclass
class _Meter:
    """How far a run is, other data of references included."""

    total: int
    progress: Progress | None
    pairs: int = 0
    passes: int = 0

    def add(self, pairs: int, passes: int) -> None:
        """Count (row, world) pairs and the forward passes of single rows that they took, and tell."""
        self.pairs += pairs
        self.passes += passes
        if self.progress is not None:
            self.progress(self.pairs, self.total)


class _Execution:
    """The state of one run on one data set."""

    def __init__(
        self,
        prepared: Prepared,
        meter: _Meter,
        limit: int,
        how: How,
        kept: Kept | None = None,
        wanted: Iterable[Statistic] = (),
    ) -> None:
        plan = prepared.plan
        self.prepared, self.meter, self.limit, self.how, self.kept = prepared, meter, limit, how, kept
        self.reads = Reads(prepared)
        self.schedule = Schedule(prepared, limit, how)
        self.sharing = Sharing(self.reads)
        self.spelling = SpellingCheck(prepared)
        self.mass = MassCheck(prepared)
        self.halved = 0
        self.enough: Enough | None = None
        self.stopped = False
        self.demand = Demand(plan, [tuple(self.schedule.chunks(s)) for s in plan.stages], kept)
        self.cells: dict[Cell, NDArray[Any]] = {}
        for i, cell in enumerate(plan.cells):
            empty = partial(np.full, prepared.data.n, np.nan, dtype=object if is_text(cell.readout) else np.float64)
            self.cells[cell] = self.demand.add(Item("cell", (plan.formulas[i],)), empty, i).values
        looks = [(g.item, g.values) for g in self.mass.groups] + [(s.item, s.values) for s in self.spelling.looks]
        for item, values in looks:
            self.demand.add(item, partial(_same, values))
        for statistic in wanted:
            self.demand.want(statistic)
        self.stored = sum(int(c.known.sum()) for c in self.demand.columns if c.cell is not None)

    def all(self) -> None:
        """References over other data, then every sweep; rows are done when the last one has passed them."""
        plan = self.prepared.plan
        for other in self.prepared.elsewhere:
            ref = other.data.ref
            wanted = self.demand.of(ref)
            if not wanted:
                self.meter.add(other.plan.row_passes, 0)
                continue
            kept = None if self.kept is None else self.kept.other(ref)
            before = _Execution(other, self.meter, self.limit, self.how, kept, wanted)
            before.all()
            before.finish()
            self.reads.means.update((m, v) for m, v in before.reads.means.items() if m.on == ref)
            self.reads.notes.extend(before.reads.notes)
        for reference in plan.references:
            begun = self.demand.totals.get(reference.statistic)
            if begun is not None:
                self.reads.resume(reference, begun[1])
        for number, (stage, layout) in enumerate(zip(plan.stages, self.demand.layouts, strict=True)):
            for chunk in layout:
                pairs = len(chunk) * len(stage.runs)
                for left in self.demand.left(number, chunk):
                    pairs -= len(left.rows) * len(left.stage.runs)
                    self._chunk(left)
                if pairs:
                    self.meter.add(pairs, 0)
                if self.enough is not None and number == len(plan.stages) - 1:
                    self.stopped = self.enough(self.demand.rows_done, self.cells)
                    if self.stopped:
                        break
            for i in stage.references:
                if plan.references[i].statistic in self.demand.references:
                    self.reads.complete(plan.references[i])

    def finish(self) -> None:
        """Say that all is known."""
        if self.kept is not None:
            self.kept.finish({c.item: c.values for c in self.demand.columns})

    def _chunk(self, left: Left) -> None:
        plan = self.prepared.plan
        stage, chunk = left.stage, left.rows
        self.reads.start(chunk)
        self.sharing.start()
        for plan_of_pass in self.schedule.passes(stage, chunk):
            self._pass(plan_of_pass)
        for i in stage.references:
            self.reads.accumulate(plan.references[i])
        cells = {c.cell: c for c in left.columns if c.cell is not None}
        texts = [i for i in cells if is_text(plan.cells[i].readout)]
        for i in texts:
            cells.pop(i).take(chunk, self._texts(i))
        for column, found in zip(cells.values(), self._numbers(list(cells), chunk), strict=True):
            column.take(chunk, found)
        self._keep(left)

    def _texts(self, cell: int) -> NDArray[Any]:
        """What a cell of texts holds on the rows of the chunk."""
        written = self.reads.texts(cast(Counterfactual, self.prepared.plan.formulas[cell]))
        texts = np.empty(len(written), dtype=object)
        texts[:] = [w.text for w in written]
        return texts

    def _numbers(self, cells: Sequence[int], chunk: range) -> NDArray[np.float64]:
        """[cells, rows] the outcomes of cells of numbers on the rows of the chunk."""
        plan = self.prepared.plan
        if not cells:
            return np.empty((0, len(chunk)))
        with torch.inference_mode():
            each = [evaluate(plan.formulas[i], self.reads).data for i in cells]
            if any(len(e) != len(chunk) or e.dtype != torch.float64 for e in each):
                each = [e.double().expand(len(chunk)) for e in each]
            found: NDArray[np.float64] = torch.stack(each).cpu().numpy()
        if not np.isfinite(found).all():
            for i, values in zip(cells, found, strict=True):
                check_finite(self.prepared.data, plan.cells[i], values, chunk)
        return found

    def _keep(self, left: Left) -> None:
        """The chunk is done: what it gave lasts."""
        rows = left.rows
        for column in left.columns:
            column.known[rows.start : rows.stop] = True
        if self.kept is not None:
            totals = {}
            for i in left.stage.references:
                reference = self.prepared.plan.references[i]
                layout = self.demand.layout(reference.statistic)
                totals[reference.statistic] = layout, (rows.stop, self.reads.total(reference))
            self.kept.keep(rows, {c.item: c.values[rows.start : rows.stop] for c in left.columns}, totals)

    def _pass(self, plan: PassPlan) -> None:
        """Make a pass; one that the device's memory does not hold is made in two halves."""
        try:
            passes = self._made(plan)
        except (torch.OutOfMemoryError, RuntimeError) as problem:
            if not no_memory(problem):
                raise
            self.halved += 1
            if plan.records:  # its worlds run whole, and so does it
                plan = replace(plan, base=None, records=False)
                if plan.slots[0].index == BARE:
                    return
            one, two = halves(plan.slots)
            if not two:
                raise _too_large(plan.model, self.limit) from None
            for slots in (one, two):
                self._pass(replace(plan, slots=tuple(slots)))
            return
        self.meter.add(sum(len(slot.rows) for slot in plan.slots if slot.index != BARE), passes)

    def _made(self, plan: PassPlan) -> int:
        """Run a batch; how many forward passes of single rows it took."""
        plan = replace(plan, slots=tuple(fed(slot, self.reads, self.prepared) for slot in plan.slots))
        said = plan.slots[0].setup.run.said
        if isinstance(said, Generated) and plan.base is None:
            return write(plan.model, list(plan.slots), self.reads)
        if said is not None:
            plan = replace(plan, slots=tuple(forced(slot, self.reads) for slot in plan.slots))
        for made in list(self.sharing.run(plan)):  # kept when all went well: what fails is tried again
            made.work.keep()
            keep_outputs(made.slots, self.reads, made.logits, made.left)
            for slot in made.slots:
                self.spelling.look(slot, made.logits, made.left)
                self.mass.look(slot, made.logits, made.left)
        return sum(len(items) for slot in plan.slots for items in slot.items)

    def notes(self) -> Iterator[Diagnostic]:
        """What the report says of how it went."""
        yield from self.sharing.notes()
        yield from dict.fromkeys(self.reads.notes)
        if self.halved:
            yield Diagnostic(
                "CQ705",
                f"{self.halved} passes did not fit the memory and were made in halves",
                severity="note",
                help=(f"a limit below {self.limit} positions a pass avoids the attempt",),
            )


def _same(values: NDArray[Any]) -> NDArray[Any]:
    return values


def no_memory(problem: BaseException) -> bool:
    """Whether a device, or this machine, refused memory; on a CPU torch says so in words only."""
    return isinstance(problem, torch.OutOfMemoryError) or "allocate memory" in str(problem)


def _too_large(model: LoadedModel, limit: int) -> DiagnosticError:
    return error(
        "CQ703",
        f"a pass of `{model.ref.name}` over {limit} positions does not fit the memory of {model.device}",
        model.ref.span,
        help=("a smaller `max_tokens` of `execute` makes passes smaller", "dtype = bfloat16 halves the activations"),
    )
