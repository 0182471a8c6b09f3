"""Running the passes of a schedule: bare passes are recorded, others resume them, and every way to resume is proven.

The first pass that resumes at a block carries a witness: a row of the bare pass, without assignments. What it gives
must equal what the bare pass gave; where it does not, the passes of its model are run whole, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.batches import Slot, halves
from causalcircuit.engine.passes import Pass, feeds_in, forward
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.schedule import BARE, PassPlan
from causalcircuit.models import Batch, LoadedModel, Trace, close, narrowed, packed, rebatched, record, resumed

_REPLAY_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, NotImplementedError)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A pass that was made: its logits, the shift of each item's positions in them, and what it read of sites."""

    slots: Sequence[Slot]
    logits: Tensor
    left: tuple[int, ...]
    work: Pass


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A recorded bare pass: its trace, the items of each row in it, and a witness.

    The witness is the row with the shortest text, which has the most padding, and the logits of its first item.
    """

    trace: Trace
    items: dict[int, tuple[int, ...]]
    row: int
    witness: Tensor


@dataclass(eq=False)
class _Way:
    """How passes of one kind may be shared, as far as it is known."""

    shares: bool = True
    prefix: bool = True
    narrows: bool = True
    proven: bool = False

    def less(self) -> str:
        """Give up the next thing; what the report says of it."""
        self.proven = False
        if self.prefix:
            self.prefix = False
            return "run from their first position"
        if self.narrows:
            self.narrows = False
            return "run through all of the last block"
        self.shares = False
        return "run whole"


class Sharing:
    """The bare passes of a chunk, and what models have proven."""

    def __init__(self, reads: Reads) -> None:
        """Know nothing yet."""
        self._reads = reads
        self._held: dict[int, _Held] = {}
        self._ways: dict[object, _Way] = {}
        self._failed: dict[str, str] = {}

    def start(self) -> None:
        """Forget the last chunk."""
        self._held.clear()

    def run(self, plan: PassPlan) -> Iterator[Made]:
        """Make a pass, or the passes that replace it where its model cannot share."""
        if plan.records and plan.base is not None:
            yield self._recorded(plan, plan.base)
        elif plan.base is None:
            yield Made(plan.slots, *forward(plan.model, plan.slots, self._reads))
        elif plan.base not in self._held:  # no memory was left to record it
            for slots in _cut(plan.slots, -(-plan.columns // max(1, plan.columns - plan.first))):
                yield Made(slots, *forward(plan.model, slots, self._reads))
        else:
            way = self._ways.setdefault((plan.model.ref.name, plan.kind), _Way(prefix=plan.first > 0))
            yield from self._resumed(plan, way, self._held[plan.base])

    def notes(self) -> Iterator[Diagnostic]:
        """What the report says of models whose passes could not be shared."""
        for name, what in self._failed.items():
            yield Diagnostic(
                "CQ704",
                f"the passes of `{name}` are {what}: resuming a recorded pass did not give what that pass gave",
                severity="note",
                help=("the numbers are those of whole passes; they take longer",),
            )

    def _recorded(self, plan: PassPlan, base: int) -> Made:
        feeds = feeds_in(plan.model, plan.slots, self._reads)
        batch = plan.model.batch(feeds)
        work = Pass(plan.model, plan.slots, self._reads, batch)
        trace = record(plan.model, feeds, batch, work.tensors, work.visit, cache=plan.cache)
        logits = trace.logits
        items = {row: own for slot in plan.slots for row, own in zip(slot.rows, slot.items, strict=True)}
        row = min(items, key=lambda r: len(feeds[items[r][0]].ids or ()))
        known = logits[items[row][0]].clone()
        self._held[base] = _Held(replace(trace, logits=logits.new_empty(0)), items, row, known)
        return Made(plan.slots, logits, trace.batch.left, work)

    def _resumed(self, plan: PassPlan, way: _Way, held: _Held) -> Iterator[Made]:
        """A pass that starts where its worlds do; tried with less where that proves wrong."""
        first = plan.first if way.prefix and held.trace.cache is not None else 0
        pieces = 1 if first == plan.first else -(-(plan.columns - first) // (plan.columns - plan.first))
        for slots in _cut(plan.slots, pieces):  # it was made for fewer columns
            part = replace(plan, slots=tuple(slots), first=first)
            if not way.shares:
                yield Made(part.slots, *forward(plan.model, part.slots, self._reads))
                continue
            made = self._tried(part, way, held)
            if made is not None:
                yield made
                continue
            self._failed[plan.model.ref.name] = way.less()
            yield from self._resumed(replace(part, first=plan.first), way, held)

    def _tried(self, plan: PassPlan, way: _Way, held: _Held) -> Made | None:
        """The pass, proven if its kind is not yet; `None` where a witness is not what it was."""
        if way.proven and not plan.proves:
            return self._resume(plan, held, way.narrows)
        try:
            if not plan.proves:  # alone, so that the passes are those of a run that proved it in its first chunk
                alone = replace(plan, slots=(_witness(plan.slots, held.row, 0),))
                way.proven = self._resume(alone, held, way.narrows, witness=True) is not None
                return self._resume(plan, held, way.narrows) if way.proven else None
            item = sum(len(own) for s in plan.slots for own in s.items)
            seen = replace(plan, slots=(*plan.slots, _witness(plan.slots, held.row, item)))
            made = self._resume(seen, held, way.narrows, witness=True)
        except torch.OutOfMemoryError:
            raise
        except _REPLAY_FAILURES as problem:
            if "allocate memory" in str(problem):
                raise
            return None
        way.proven = made is not None
        return None if made is None else replace(made, slots=plan.slots)

    def _resume(self, plan: PassPlan, held: _Held, narrows: bool, witness: bool = False) -> Made | None:
        """The pass itself; with a `witness` for its last slot, `None` where that is not what it was."""
        model, slots, first = plan.model, plan.slots, plan.first
        owned = [(row, k) for s in slots for row, own in zip(s.rows, s.items, strict=True) for k in range(len(own))]
        items = [held.items[row][k] for row, k in owned]
        batch = rebatched(model, held.trace, items, first)
        work = Pass(model, slots, self._reads, batch, first=first)
        columns = _wanted(model, slots, batch) if narrows else None
        width = held.trace.columns - first
        if witness and columns is not None:
            columns.append((batch.size - 1, batch.left[-1] + len(held.trace.feeds[items[-1]].ids or ()) - 1))
        from_column = 0
        start, attended = plan.start, narrows and plan.attended
        with ExitStack() as stack:
            more: dict[str, Any] = stack.enter_context(
                resumed(model, held.trace, items, start.tower, start.layer, first, attended=attended)
            )
            if columns is not None:
                places = sorted({i * width + c for i, c in columns} or {width - 1})
                stack.enter_context(narrowed(model, places, work.tensors))
                if "logits_to_keep" in model.takes.names:
                    from_column = min((c for _, c in columns), default=width - 1)
                    more["logits_to_keep"] = width - from_column
                    stack.enter_context(packed(model))
            run = replace(batch, keywords={**batch.keywords, **more})
            logits = model.forward(run, work.tensors, work.visit)
        if witness:
            at = [c - from_column for i, c in columns if i == batch.size - 1] if columns is not None else None
            if not _same(logits[-1], held.witness, at, from_column + first):
                return None
        return Made(slots, logits, tuple(n - from_column for n in batch.left), work)


def _witness(slots: Sequence[Slot], row: int, item: int) -> Slot:
    """A row as it is fed, without assignments, as one item of a batch; read where the worlds beside it are."""
    some = slots[0].setup
    bare = replace(some, edits=(), naturals={}, sites=(), readouts=some.readouts, outputs=some.outputs)
    return Slot(BARE, bare, (row,), 0, ((item,),))


def _same(found: Tensor, known: Tensor, at: Sequence[int] | None, shift: int) -> bool:
    """Whether a witness gives what it gave: at the columns `at` that were computed, `shift` columns further left."""
    if at is None:
        return close(found, known[shift:] if found.ndim > 1 else known)
    return all(close(found[c], known[c + shift]) for c in at)


def _wanted(model: LoadedModel, slots: Sequence[Slot], batch: Batch) -> list[tuple[int, int]] | None:
    """The (item, column) that the logits of a batch are read at; `None` where its model's logits have no positions."""
    if model.sites.readout != "vocabulary" or not batch.left:
        return None
    out: dict[tuple[int, int], None] = {}
    for slot in slots:
        setup = slot.setup
        for row, own in zip(slot.rows, slot.items, strict=True):
            at = [r.positions[row] for r in setup.readouts]
            for output in setup.outputs:
                if getattr(output.output, "position", None) is None:
                    return None
                at.append(output.places[row])
            for item, answer in zip(own, setup.continuations[row], strict=False):
                out.update({(item, p + step + batch.left[item]): None for p in at for step in range(len(answer) + 1)})
    return list(out)


def _cut(slots: Sequence[Slot], pieces: int) -> Iterator[list[Slot]]:
    """A batch in about so many parts."""
    if pieces <= 1:
        yield list(slots)
        return
    one, two = halves(slots)
    yield from _cut(one, pieces // 2)
    if two:
        yield from _cut(two, pieces - pieces // 2)
