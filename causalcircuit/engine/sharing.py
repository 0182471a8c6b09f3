"""Running the passes of a schedule: bare passes are recorded, others resume them, and every way to resume is proven.

The first pass that resumes at a block carries a witness: a row of the bare pass, without assignments. What it gives
must equal what the bare pass gave; where it does not, the passes of its model are run whole, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.batches import Slot, halves
from causalcircuit.engine.passes import Pass, feeds_in, forward
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.schedule import BARE, PassPlan
from causalcircuit.engine.starts import attention_is_known
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
    """A recorded bare pass: its trace, the items of each row in it, and the logits of its first item."""

    trace: Trace
    items: dict[int, tuple[int, ...]]
    witness: Tensor


@dataclass(eq=False)
class _Way:
    """How a model's passes may be shared, as far as it is known."""

    shares: bool = True
    prefix: bool = True
    narrows: bool = True
    proven: set[object] = field(default_factory=set)


class Sharing:
    """The bare passes of a chunk, and what models have proven."""

    def __init__(self, reads: Reads) -> None:
        """Know nothing yet."""
        self._reads = reads
        self._held: dict[int, _Held] = {}
        self._ways: dict[str, _Way] = {}
        self._failed: dict[str, str] = {}

    def start(self) -> None:
        """Forget the last chunk."""
        self._held.clear()

    def run(self, plan: PassPlan) -> Iterator[Made]:
        """Make a pass, or the passes that replace it where its model cannot share."""
        way = self._ways.setdefault(plan.model.ref.name, _Way())
        if plan.base is None or not way.shares:
            if plan.records and plan.slots[0].index == BARE:
                return
            yield Made(plan.slots, *forward(plan.model, plan.slots, self._reads))
        elif plan.records:
            yield self._recorded(plan, plan.base, way)
        elif plan.base not in self._held:
            yield from self.run(replace(plan, base=None))
        else:
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

    def _recorded(self, plan: PassPlan, base: int, way: _Way) -> Made:
        feeds = feeds_in(plan.model, plan.slots, self._reads)
        batch = plan.model.batch(feeds)
        work = Pass(plan.model, plan.slots, self._reads, batch)
        trace = record(plan.model, feeds, batch, work.tensors, work.visit, cache=plan.cache and way.prefix)
        logits = trace.logits
        held = _Held(
            replace(trace, logits=logits[:0]),
            {row: items for slot in plan.slots for row, items in zip(slot.rows, slot.items, strict=True)},
            logits[0].clone(),
        )
        self._held[base] = held
        return Made(plan.slots, logits, trace.batch.left, work)

    def _resumed(self, plan: PassPlan, way: _Way, held: _Held) -> Iterator[Made]:
        """A pass that starts where its worlds do; tried with less where that proves wrong."""
        first = plan.first if way.prefix and held.trace.cache is not None else 0
        if first < plan.first and len(plan.slots) * len(plan.slots[0].rows) > 1:  # it was cut for fewer columns
            pieces = -(-(plan.columns - first) // max(1, plan.columns - plan.first))
            for slots in _cut(plan.slots, pieces):
                yield from self._resumed(replace(plan, slots=tuple(slots), first=first), way, held)
            return
        kind = (plan.start, bool(first), way.narrows)
        found = (
            self._resume(plan, held, first, way.narrows) if kind in way.proven else self._proven(plan, held, first, way)
        )
        if found is not None:
            way.proven.add(kind)
            yield found
            return
        if first:
            way.prefix = False
            self._failed[plan.model.ref.name] = "run from their first position"
        elif way.narrows:
            way.narrows = False
        else:
            way.shares = False
            self._failed[plan.model.ref.name] = "run whole"
        yield from self.run(plan)

    def _proven(self, plan: PassPlan, held: _Held, first: int, way: _Way) -> Made | None:
        """The same with a witness; `None` where that is not what it was."""
        try:
            return self._resume(plan, held, first, way.narrows, witness=True)
        except torch.OutOfMemoryError:
            raise
        except _REPLAY_FAILURES:
            return None

    def _resume(self, plan: PassPlan, held: _Held, first: int, narrows: bool, witness: bool = False) -> Made | None:
        model, slots = plan.model, list(plan.slots)
        if witness:
            slots.append(_witness(slots))
        items = [
            held.items[row][k] for s in slots for row, own in zip(s.rows, s.items, strict=True) for k in range(len(own))
        ]
        batch = rebatched(model, held.trace, items, first)
        work = Pass(model, slots, self._reads, batch, first=first)
        columns = _wanted(model, slots, batch) if narrows else None
        width = held.trace.columns - first
        if witness and columns is not None:
            columns.append((batch.size - 1, batch.left[-1] + len(held.trace.feeds[items[-1]].ids or ()) - 1))
        from_column = 0
        with ExitStack() as stack:
            more: dict[str, Any] = stack.enter_context(
                resumed(
                    model,
                    held.trace,
                    items,
                    plan.start.tower,
                    plan.start.layer,
                    first,
                    attended=narrows and attention_is_known(model, plan.start, work.tensors),
                )
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
        left = tuple(n - from_column for n in batch.left)
        if witness:
            at = [c - from_column for i, c in columns if i == batch.size - 1] if columns is not None else None
            if not _same(logits[-1], held.witness, at, from_column + first):
                return None
        return Made(plan.slots, logits, left, work)


def _witness(slots: Sequence[Slot]) -> Slot:
    """The first row of the chunk as it is fed, without assignments."""
    some = slots[0].setup
    bare = replace(some, edits=(), naturals={}, sites=(), readouts=some.readouts, outputs=some.outputs)
    item = sum(len(own) for s in slots for own in s.items)
    return Slot(BARE, bare, (slots[0].rows[0] - slots[0].low,), 0, ((item,),))


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
