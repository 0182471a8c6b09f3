"""One forward pass over a batch of (row, world) pairs: assignments written, sites and readouts read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.outputs import take
from causalcircuit.engine.places import Places, gather, scatter
from causalcircuit.engine.prepared import Edit, Positions, SiteRead
from causalcircuit.engine.readouts import read_out
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.values import Value, evaluate
from causalcircuit.engine.vectors import noise
from causalcircuit.models import NEW, Batch, Feed, LoadedModel
from causalcircuit.query import Applied, Counterfactual, Draw, Expr, Noise, Number, Site, SiteInfo, Statistic


def keep_outputs(slots: Sequence[Slot], reads: Reads, logits: Tensor, left: tuple[int, ...]) -> None:
    """Keep what worlds read off the logits of a batch.

    Args:
        slots: where its worlds stand. reads: where to.
        logits: [items, positions, vocabulary], or as the model gives them. left: the shift of each item's positions.
    """
    asked = [(slot, read) for slot in slots for read in slot.setup.readouts]
    for (slot, read), found in zip(asked, read_out(asked, logits, left), strict=True):
        reads.add(slot.index, read.readout, Value(found))
    for slot in slots:
        for output in slot.setup.outputs:
            reads.add(slot.index, output.output, take(output, slot, logits, left))


def forward(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> tuple[Tensor, tuple[int, ...], Pass]:
    """A whole pass: its logits, the shift of each item's positions in them, and what it read of sites."""
    batch = model.batch(feeds_in(model, slots, reads))
    work = Pass(model, slots, reads, batch)
    return model.forward(batch, work.tensors, work.visit), batch.left, work


def feeds_in(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> list[Feed]:
    """The items of a batch."""
    return [f for slot in slots for row in slot.rows for f in feeds_of(model, slot, row, reads)]


def feeds_of(model: LoadedModel, slot: Slot, row: int, reads: Reads) -> list[Feed]:
    """The items of a batch that stand for a row: one for each continuation of its text."""
    setup = slot.setup
    media = {} if setup.images is None else reads.media(model, setup.images[row])
    source = None if setup.sources is None else setup.sources[row].ids
    if setup.prompts is None:
        return [Feed(None, source, media)]
    prompt = setup.prompts[row]
    return [
        Feed([*prompt.ids, *c], source, media, prompt.marked(len(c)), prompt.pictured) for c in setup.continuations[row]
    ]


class Pass:
    """The assignments and reads of a batch, by the tensor that they concern."""

    def __init__(
        self,
        model: LoadedModel,
        slots: Sequence[Slot],
        reads: Reads,
        batch: Batch,
        *,
        step: bool = False,
        first: int = 0,
    ) -> None:
        """Of a `step`, the batch is one generated token of each item; columns before `first` are not in it."""
        self._model, self._batch, self._step, self._first = model, batch, step, first
        self._found: list[tuple[int, Expr, Value]] = []
        self.reads = reads
        self._edits: dict[str, list[list[tuple[Slot, Edit]]]] = {}
        self._reads: dict[str, list[tuple[Slot, SiteRead]]] = {}
        for slot in slots:
            rounds: dict[str, int] = {}
            for edit in slot.setup.edits:
                if step and not edit.site.position.new:
                    continue  # it persists in what is kept of the prompt
                name = edit.info.tensor
                turns, turn = self._edits.setdefault(name, []), rounds.get(name, 0)
                turns.extend([[]] if turn == len(turns) else [])
                turns[turn].append((slot, edit))
                rounds[name] = turn + 1
            for read in slot.setup.sites:
                self._reads.setdefault(model.read_at(read.info.tensor), []).append((slot, read))

    @property
    def tensors(self) -> set[str]:
        """Where hooks are needed."""
        return {*self._edits, *self._reads}

    def visit(self, name: str, tensor: Tensor) -> Tensor:
        """Write the assignments to a tensor, the narrower last, then read it."""
        new = tensor
        if name in self._edits:
            new = tensor.clone()
            for turn in self._edits[name]:
                self._write(turn, tensor, new)
        reads = self._reads.get(name, ())
        places = [self._places(slot, read.info, read.positions) for slot, read in reads]
        for (slot, read), at, found in zip(reads, places, gather(new, places), strict=True):
            self._found.append((slot.index, read.site, Value(found, at.counts)))
        return new

    def keep(self) -> None:
        """Keep what was read: the pass was what it should be."""
        for index, site, value in self._found:
            self.reads.add(index, site, value)

    def _write(self, turn: Sequence[tuple[Slot, Edit]], natural: Tensor, new: Tensor) -> None:
        """Write one assignment of each of some worlds: none of them overlap."""
        numbers: dict[Expr, Tensor] = {}
        places: list[Places] = []
        values: list[Tensor] = []
        for slot, edit in turn:
            at = self._at(slot, edit.positions)
            value = numbers.get(edit.value)
            if value is None:
                here = _Here(self, slot, natural, edit.site.position.new)
                value = evaluate(edit.value, here).spread(tuple(map(len, at))).to(new)
                if isinstance(edit.value, Number):
                    numbers[edit.value] = value
            target, lines = self._targets(slot, edit.info, at)
            if len(value) > 1 and lines != list(range(len(value))):  # one line for all otherwise
                value = value[torch.tensor(lines, dtype=torch.long, device=value.device)]
            places.append(target)
            values.append(value)
        scatter(new, places, values)

    def _targets(self, slot: Slot, info: SiteInfo, at: Sequence[tuple[int, ...]]) -> tuple[Places, list[int]]:
        """Where an assignment goes in every item of its rows, and for each place the line of its value.

        Columns that come from a cache are left out: nothing differs there.
        """
        stream = self._batch.streams[info.stand]
        keys = None if info.key is None else self._batch.streams[info.keys]
        found = Places(info)
        lines: list[int] = []
        line = 0
        for positions, own in zip(at, slot.items, strict=True):
            for item in own:
                start, shift = stream.starts[item], self._first - stream.columns[item] if self._first else 0
                kept = [k for k, p in enumerate(positions) if p >= shift] if shift > 0 else range(len(positions))
                found.rows.extend([start + positions[k] for k in kept])
                lines.extend([line + k for k in kept])
                if keys is not None and info.key is not None:
                    found.columns.extend([keys.column(item, info.key)] * len(kept))
            line += len(positions)
        return found, lines

    def natural(self, site: Site, slot: Slot, tensor: Tensor) -> Value:
        """The value that a site of the assigned tensor has before the assignments."""
        # A bare site is the target's own, at whatever positions.
        edit = next(e for e in slot.setup.edits if e.site.address == site.address)
        places = self._places(slot, edit.info, slot.setup.naturals[site])
        return Value(next(gather(tensor, [places])), places.counts)

    def noise(self, e: Noise, slot: Slot, device: torch.device) -> Value:
        """Noise on a site that is assigned, by its places in the whole text."""
        edit = next(x for x in slot.setup.edits if x.site == e.site)
        numbers = [self.reads.number(row, slot.setup.run.world.donor) for row in slot.rows]
        places = self._at(slot, edit.positions)
        if self._step:  # the one token of a step stands behind its text so far
            prompts = slot.setup.prompts
            lengths = (
                (0 if prompts is None else len(prompts[row].ids)) + len(slot.setup.continuations[row][0])
                for row in slot.rows
            )
            places = [tuple(n - 1 for _ in own) for own, n in zip(places, lengths, strict=True)]
        drawn = noise(e, edit.info.width, numbers, places)
        return Value(torch.as_tensor(drawn, device=device), tuple(map(len, places)))

    def _at(self, slot: Slot, positions: Positions) -> list[tuple[int, ...]]:
        """The positions of each row in this pass."""
        found = [positions[row] for row in slot.rows]
        if self._step or any(NEW in own for own in found):
            return [self._grown(slot, own, row) for own, row in zip(found, slot.rows, strict=True)]
        return found

    def _grown(self, slot: Slot, own: tuple[int, ...], row: int) -> tuple[int, ...]:
        """A row's positions: the generated ones are those of its text so far; answers have none."""
        if self._step:
            return (0,) if NEW in own else ()
        if NEW not in own:
            return own
        prompts, text = slot.setup.prompts, slot.setup.continuations[row][0]
        start = 0 if prompts is None else len(prompts[row].ids)
        made = range(start, start + len(text)) if slot.setup.run.said is not None else ()
        return (*(p for p in own if p != NEW), *made)

    def _places(self, slot: Slot, info: SiteInfo, positions: Positions) -> Places:
        """The places of a slot's rows, in the first item of each, to read from."""
        stream = self._batch.streams[info.stand]
        keys = None if info.key is None else self._batch.streams[info.keys]
        at = self._at(slot, positions)
        places = Places(info, tuple(map(len, at)))
        for own, found in zip(slot.items, at, strict=True):
            start = stream.starts[own[0]]
            places.rows.extend([start + p for p in found])
            if keys is not None and info.key is not None:
                places.columns.extend([keys.column(own[0], info.key)] * len(found))
        return places


@dataclass(frozen=True, slots=True, eq=False)
class _Here:
    """The leaves of a value inside a pass, for the rows of one slot."""

    work: Pass
    slot: Slot
    tensor: Tensor
    new: bool

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def natural(self, site: Site) -> Value:
        return self.work.natural(site, self.slot, self.tensor)

    def read(self, leaf: Counterfactual) -> Value:
        return self._own(self.work.reads.read(leaf))

    def reference(self, e: Statistic) -> Value:
        return self._here(self.work.reads.reference(e, len(self.slot.rows)))

    def applied(self, e: Applied) -> Value:
        """The checker lets no function in Python into an assignment."""
        raise TypeError(f"{e.function} is called inside a pass")

    def column(self, name: str, donor: Draw | None = None) -> Value:
        return self._own(self.work.reads.column(name, donor))

    def noise(self, e: Noise) -> Value:
        return self.work.noise(e, self.slot, self.device)

    def _own(self, value: Value) -> Value:
        return self._here(value.rows(self.slot.low, self.slot.low + len(self.slot.rows)))

    def _here(self, value: Value) -> Value:
        """What other passes read, on this tensor's device; at generated positions one vector a row holds at each."""
        if self.new and value.counts is not None:
            return Value(value.data.to(self.device))
        return value if value.data.device == self.device else Value(value.data.to(self.device), value.counts)
