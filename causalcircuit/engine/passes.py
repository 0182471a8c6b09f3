"""One forward pass over a batch of (row, world) pairs: assignments written, sites and readouts read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.prepared import Edit, SiteRead
from causalcircuit.engine.readouts import read_out
from causalcircuit.engine.store import Store
from causalcircuit.engine.values import Value, evaluate
from causalcircuit.models import LoadedModel
from causalcircuit.query import Counterfactual, Mean, Site


@dataclass(eq=False)
class Places:
    """Where the positions of some rows lie in the batch: item and padded position of each."""

    items: Tensor
    positions: Tensor
    counts: tuple[int, ...]


def run_batch(model: LoadedModel, slots: list[Slot], store: Store) -> tuple[Tensor, tuple[int, ...]]:
    """Run a batch and keep what its worlds read in `store`.

    Returns:
        The logits [items, positions, vocabulary], and the shift of each item's positions by padding.
    """
    sequences = [s for slot in slots for row in slot.rows for s in slot.setup.items(row) or []] or None
    left = model.left(sequences)
    work = _Pass(model, slots, store, left)
    logits = model.forward(sequences, _pixels(model, slots, store), work.tensors, work.visit)
    for slot in slots:
        for read in slot.setup.readouts:
            store.add(slot.index, read.readout, Value(read_out(read, slot, logits, left)))
    return logits, left


def _pixels(model: LoadedModel, slots: list[Slot], store: Store) -> Tensor | None:
    if "image" not in model.sites.channels:
        return None
    seen = [
        store.pixels(model, slot.setup.images[row])
        for slot in slots
        if slot.setup.images is not None
        for row, items in zip(slot.rows, slot.items, strict=True)
        for _ in items
    ]
    return torch.stack(seen)


class _Pass:
    """The assignments and reads of a batch, by the tensor that they concern."""

    def __init__(self, model: LoadedModel, slots: list[Slot], store: Store, left: tuple[int, ...]) -> None:
        self._model, self._left = model, left
        self.store = store
        self._edits: dict[str, list[tuple[Slot, Edit]]] = {}
        self._reads: dict[str, list[tuple[Slot, SiteRead]]] = {}
        for slot in slots:
            for edit in slot.setup.edits:
                self._edits.setdefault(edit.info.tensor, []).append((slot, edit))
            for read in slot.setup.sites:
                self._reads.setdefault(read.info.tensor, []).append((slot, read))

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
            places = self._places(slot, read.info.tower, read.positions, every=False)
            kept = new[places.items, places.positions, read.info.start : read.info.stop]
            self.store.add(slot.index, read.site, Value(kept, places.counts))
        return new

    def _write(self, slot: Slot, edit: Edit, natural: Tensor, new: Tensor) -> None:
        counts = tuple(len(edit.positions[row]) for row in slot.rows)
        value = evaluate(edit.value, _Here(self, slot, natural)).spread(counts).to(new.device, new.dtype)
        if len(value) > 1:  # one line for all otherwise
            value = value[_repeated(counts, [len(i) for i in slot.items], new.device)]
        places = self._places(slot, edit.info.tower, edit.positions, every=True)
        new[places.items, places.positions, edit.info.start : edit.info.stop] = value

    def natural(self, site: Site, slot: Slot, tensor: Tensor) -> Value:
        """The value that a site of the assigned tensor has before the assignments."""
        # A bare site is the target's own, at whatever positions.
        edit = next(e for e in slot.setup.edits if e.site.address == site.address)
        places = self._places(slot, edit.info.tower, slot.setup.naturals[site], every=False)
        return Value(tensor[places.items, places.positions, edit.info.start : edit.info.stop], places.counts)

    def _places(self, slot: Slot, tower: str, positions: tuple[tuple[int, ...], ...], *, every: bool) -> Places:
        """The places of a slot's rows: in every item of a row (assignments) or in its first (reads)."""
        text = self._model.sites.tower(tower).modality == "text"
        items: list[int] = []
        places: list[int] = []
        for row, own in zip(slot.rows, slot.items, strict=True):
            for item in own if every else own[:1]:
                shift = self._left[item] if text else 0
                items.extend([item] * len(positions[row]))
                places.extend(p + shift for p in positions[row])
        counts = tuple(len(positions[row]) for row in slot.rows)
        device = self._model.device
        return Places(torch.tensor(items, device=device), torch.tensor(places, device=device), counts)


def _repeated(counts: tuple[int, ...], times: list[int], device: torch.device) -> Tensor:
    """Indices that repeat each row's lines as often as it has items."""
    index: list[int] = []
    start = 0
    for count, repeat in zip(counts, times, strict=True):
        index.extend(list(range(start, start + count)) * repeat)
        start += count
    return torch.tensor(index, device=device)


@dataclass(frozen=True, slots=True, eq=False)
class _Here:
    """The leaves of a value inside a pass, for the rows of one slot."""

    work: _Pass
    slot: Slot
    tensor: Tensor

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def natural(self, site: Site) -> Value:
        return self.work.natural(site, self.slot, self.tensor)

    def read(self, leaf: Counterfactual) -> Value:
        return self._own(self.work.store.read(leaf))

    def reference(self, mean: Mean) -> Value:
        return self.work.store.reference(mean, len(self.slot.rows))

    def column(self, name: str) -> Value:
        return self._own(self.work.store.column(name))

    def _own(self, value: Value) -> Value:
        return value.rows(self.slot.low, self.slot.low + len(self.slot.rows))
