"""One forward pass over a batch of (row, world) pairs: assignments written, sites and readouts read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.outputs import take
from causalcircuit.engine.prepared import Edit, Positions, SiteRead
from causalcircuit.engine.readouts import read_out
from causalcircuit.engine.reads import Reads
from causalcircuit.engine.values import Value, evaluate
from causalcircuit.models import NEW, Batch, Feed, LoadedModel
from causalcircuit.query import Applied, Counterfactual, Site, SiteInfo, Statistic


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


def run_batch(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> tuple[Tensor, tuple[int, ...]]:
    """Run a batch and keep what its worlds read in `reads`.

    Returns:
        The logits [items, positions, vocabulary], and the shift of each item's positions by padding.
    """
    logits, batch = forward(model, slots, reads)
    keep_outputs(slots, reads, logits, batch.left)
    return logits, batch.left


def keep_outputs(slots: Sequence[Slot], reads: Reads, logits: Tensor, left: tuple[int, ...]) -> None:
    """Keep what worlds read off the logits of a batch; arguments as `run_batch` returns them."""
    for slot in slots:
        for read in slot.setup.readouts:
            reads.add(slot.index, read.readout, Value(read_out(read, slot, logits, left)))
        for output in slot.setup.outputs:
            reads.add(slot.index, output.output, take(output, slot, logits, left))


def forward(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> tuple[Tensor, Batch]:
    """The pass itself: its logits, and the batch that it was fed."""
    batch = model.batch(feeds_in(model, slots, reads))
    work = Pass(model, slots, reads, batch)
    logits = model.forward(batch, work.tensors, work.visit)
    work.keep()
    return logits, batch


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
            places = self._places(slot, read.info, read.positions, every=False)
            self._found.append((slot.index, read.site, Value(places.of(new), places.counts)))
        return new

    def keep(self) -> None:
        """Keep what was read: the pass was what it should be."""
        for index, site, value in self._found:
            self.reads.add(index, site, value)

    def _write(self, slot: Slot, edit: Edit, natural: Tensor, new: Tensor) -> None:
        counts = tuple(len(self._at(slot, edit.positions, row)) for row in slot.rows)
        here = _Here(self, slot, natural, edit.site.position.new)
        value = evaluate(edit.value, here).spread(counts).to(new.device, new.dtype)
        if len(value) > 1:  # one line for all otherwise
            value = value[_repeated(counts, [len(i) for i in slot.items], new.device)]
        self._places(slot, edit.info, edit.positions, every=True).put(new, value)

    def natural(self, site: Site, slot: Slot, tensor: Tensor) -> Value:
        """The value that a site of the assigned tensor has before the assignments."""
        # A bare site is the target's own, at whatever positions.
        edit = next(e for e in slot.setup.edits if e.site.address == site.address)
        places = self._places(slot, edit.info, slot.setup.naturals[site], every=False)
        return Value(places.of(tensor), places.counts)

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

    def _places(self, slot: Slot, info: SiteInfo, positions: tuple[tuple[int, ...], ...], *, every: bool) -> Places:
        """The places of a slot's rows: in every item of a row (assignments) or in its first (reads)."""
        stream = self._batch.streams[info.stand]
        keys = None if info.key is None else self._batch.streams[info.keys]
        places: list[int] = []
        columns: list[int] = []
        for row, own in zip(slot.rows, slot.items, strict=True):
            for item in own if every else own[:1]:
                at = self._at(slot, positions, row)
                places.extend(stream.place(item, p) for p in at)
                if keys is not None and info.key is not None:
                    columns.extend([keys.column(item, info.key)] * len(at))
        counts = tuple(len(self._at(slot, positions, row)) for row in slot.rows)
        device = self._model.device
        return Places(
            torch.tensor(places, dtype=torch.long, device=device),
            counts,
            info.start,
            info.stop,
            None if keys is None else torch.tensor(columns, dtype=torch.long, device=device),
        )


def _repeated(counts: tuple[int, ...], times: list[int], device: torch.device) -> Tensor:
    """Indices that repeat each row's lines as often as it has items."""
    index: list[int] = []
    start = 0
    for count, repeat in zip(counts, times, strict=True):
        index.extend(list(range(start, start + count)) * repeat)
        start += count
    return torch.tensor(index, dtype=torch.long, device=device)


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

    def column(self, name: str) -> Value:
        return self._own(self.work.reads.column(name))

    def _own(self, value: Value) -> Value:
        return self._here(value.rows(self.slot.low, self.slot.low + len(self.slot.rows)))

    def _here(self, value: Value) -> Value:
        """What other passes read, on this tensor's device; at generated positions one vector a row holds at each."""
        if self.new and value.counts is not None:
            return Value(value.data.to(self.device))
        return Value(value.data.to(self.device), value.counts)
