"""One forward pass over a batch of (row, world) pairs: assignments written, sites and readouts read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.outputs import take
from causalcircuit.engine.prepared import Edit, Positions, SiteRead
from causalcircuit.engine.readouts import read_out
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.values import Value, evaluate
from causalcircuit.engine.vectors import noise
from causalcircuit.models import NEW, Batch, Feed, LoadedModel
from causalcircuit.query import Applied, Counterfactual, Draw, Expr, Noise, Site, SiteInfo, Statistic


@dataclass(eq=False)
class Places:
    """Where a site of some rows lies in the tensor of a batch.

    Attributes:
        rows: the flat place of each position. counts: positions a row.
        low, high: the components; `low` is the head of an attention pattern.
        columns: of an attention pattern, the key at each place.
    """

    rows: Tensor
    counts: tuple[int, ...]
    low: int
    high: int
    columns: Tensor | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """[places, components] what stands there."""
        rows, columns = self._on(tensor.device)
        if columns is not None:
            return tensor[rows, self.low, columns][:, None]
        return tensor[rows, self.low : self.high]

    def put(self, tensor: Tensor, value: Tensor) -> None:
        """Write there."""
        rows, columns = self._on(tensor.device)
        if columns is not None:
            tensor[rows, self.low, columns] = value.squeeze(-1)
        else:
            tensor[rows, self.low : self.high] = value

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The indices where the tensor is: the layers of a spread model are on several devices."""
        return self.rows.to(device), None if self.columns is None else self.columns.to(device)


def keep_outputs(slots: Sequence[Slot], reads: Reads, logits: Tensor, left: tuple[int, ...]) -> None:
    """Keep what worlds read off the logits of a batch.

    Args:
        slots: where its worlds stand. reads: where to.
        logits: [items, positions, vocabulary], or as the model gives them. left: the shift of each item's positions.
    """
    for slot in slots:
        for read in slot.setup.readouts:
            reads.add(slot.index, read.readout, Value(read_out(read, slot, logits, left)))
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
        self._device = model.device
        self._found: list[tuple[int, Expr, Value]] = []
        self.reads = reads
        self._edits: dict[str, list[tuple[Slot, Edit]]] = {}
        self._reads: dict[str, list[tuple[Slot, SiteRead]]] = {}
        for slot in slots:
            for edit in slot.setup.edits:
                if step and not edit.site.position.new:
                    continue  # it persists in what is kept of the prompt
                self._edits.setdefault(edit.info.tensor, []).append((slot, edit))
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
            for slot, edit in self._edits[name]:
                self._write(slot, edit, tensor, new)
        for slot, read in self._reads.get(name, ()):
            places = self._places(slot, read.info, read.positions)
            self._found.append((slot.index, read.site, Value(places.of(new), places.counts)))
        return new

    def keep(self) -> None:
        """Keep what was read: the pass was what it should be."""
        for index, site, value in self._found:
            self.reads.add(index, site, value)

    def _write(self, slot: Slot, edit: Edit, natural: Tensor, new: Tensor) -> None:
        at = [self._at(slot, edit.positions, row) for row in slot.rows]
        here = _Here(self, slot, natural, edit.site.position.new)
        value = evaluate(edit.value, here).spread(tuple(map(len, at))).to(new.device, new.dtype)
        places, lines = self._targets(slot, edit.info, at)
        if len(value) > 1 and lines != list(range(len(value))):  # one line for all otherwise
            value = value[torch.tensor(lines, dtype=torch.long, device=value.device)]
        places.put(new, value)

    def _targets(self, slot: Slot, info: SiteInfo, at: Sequence[tuple[int, ...]]) -> tuple[Places, list[int]]:
        """Where an assignment goes in every item of its rows, and for each place the line of its value.

        Columns that come from a cache are left out: nothing differs there.
        """
        stream = self._batch.streams[info.stand]
        keys = None if info.key is None else self._batch.streams[info.keys]
        places: list[int] = []
        columns: list[int] = []
        lines: list[int] = []
        line = 0
        for positions, own in zip(at, slot.items, strict=True):
            for item in own:
                start, shift = stream.starts[item], self._first - stream.columns[item] if self._first else 0
                kept = [k for k, p in enumerate(positions) if p >= shift] if shift > 0 else range(len(positions))
                places.extend([start + positions[k] for k in kept])
                lines.extend([line + k for k in kept])
                if keys is not None and info.key is not None:
                    columns.extend([keys.column(item, info.key)] * len(kept))
            line += len(positions)
        device = self._device
        found = Places(
            torch.tensor(places, dtype=torch.long, device=device),
            (),
            info.start,
            info.stop,
            None if keys is None else torch.tensor(columns, dtype=torch.long, device=device),
        )
        return found, lines

    def natural(self, site: Site, slot: Slot, tensor: Tensor) -> Value:
        """The value that a site of the assigned tensor has before the assignments."""
        # A bare site is the target's own, at whatever positions.
        edit = next(e for e in slot.setup.edits if e.site.address == site.address)
        places = self._places(slot, edit.info, slot.setup.naturals[site])
        return Value(places.of(tensor), places.counts)

    def noise(self, e: Noise, slot: Slot, device: torch.device) -> Value:
        """Noise on a site that is assigned, by its places in the whole text."""
        edit = next(x for x in slot.setup.edits if x.site == e.site)
        numbers = [self.reads.number(row, slot.setup.run.world.donor) for row in slot.rows]
        places = [self._at(slot, edit.positions, row) for row in slot.rows]
        if self._step:  # the one token of a step stands behind its text so far
            prompts = slot.setup.prompts
            lengths = (
                (0 if prompts is None else len(prompts[row].ids)) + len(slot.setup.continuations[row][0])
                for row in slot.rows
            )
            places = [tuple(n - 1 for _ in own) for own, n in zip(places, lengths, strict=True)]
        drawn = noise(e, edit.info.width, numbers, places)
        return Value(torch.as_tensor(drawn, device=device), tuple(map(len, places)))

    def _at(self, slot: Slot, positions: Positions, row: int) -> tuple[int, ...]:
        """A row's positions in this pass: the generated ones are those of its text so far; answers have none."""
        own = positions[row]
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
        places: list[int] = []
        columns: list[int] = []
        at = [self._at(slot, positions, row) for row in slot.rows]
        for own, found in zip(slot.items, at, strict=True):
            start = stream.starts[own[0]]
            places.extend([start + p for p in found])
            if keys is not None and info.key is not None:
                columns.extend([keys.column(own[0], info.key)] * len(found))
        device = self._device
        return Places(
            torch.tensor(places, dtype=torch.long, device=device),
            tuple(map(len, at)),
            info.start,
            info.stop,
            None if keys is None else torch.tensor(columns, dtype=torch.long, device=device),
        )


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
        return Value(value.data.to(self.device), value.counts)
