"""One walk along the streams: all wires of some rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.attribution.layout import Norm, Read, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Meeting, Streams
from causalcircuit.query import ALL, Address, Position, Site
from causalcircuit.query.circuits.routes import belongs
from causalcircuit.query.circuits.wires import shared_in


@dataclass(frozen=True, slots=True)
class Wiring:
    """The wires of a model: which write reaches which read.

    Attributes:
        writes, reads: the nodes, in order of computation; `None` is the readout.
        writers, readers: of each wire the numbers of both ends.
        starts, stops: the positions of `writes` and of `reads`; empty where each node is meant at all positions.
        shared: by tower, how many query heads read one head of keys and values, where it is more than one.
    """

    writes: tuple[Address, ...]
    reads: tuple[Address | None, ...]
    writers: Tensor
    readers: Tensor
    starts: tuple[Position, ...] = ()
    stops: tuple[Position, ...] = ()
    shared: Mapping[str, int] = field(default_factory=dict)

    @property
    def fine(self) -> bool:
        """Whether its nodes are finer than whole parts: those asked for, and no others."""
        return bool(self.starts)

    def between(self, over: Sequence[Site]) -> NDArray[np.bool_]:
        """[wires] those that lead from one of some whole parts to one, or to the readout; all where none are named."""
        if not over:
            return np.ones(len(self), dtype=bool)
        sites = [Site(a, ALL) for a in dict.fromkeys(s.address for s in over)]
        names = {s.address for s in sites}
        writes = np.array([w in names for w in self.writes])
        reads = np.array([r is None or any(belongs(Site(r, ALL), s, self.shared) for s in sites) for r in self.reads])
        found: NDArray[np.bool_] = writes[self.writers.numpy()] & reads[self.readers.numpy()]
        return found

    def source(self, wire: int) -> Site:
        """Where a wire leaves."""
        k = int(self.writers[wire])
        return Site(self.writes[k], self.starts[k] if self.starts else ALL)

    def target(self, wire: int) -> Site | None:
        """Where it ends; `None` is the readout."""
        k = int(self.readers[wire])
        read = self.reads[k]
        return None if read is None else Site(read, self.stops[k] if self.stops else ALL)

    def __len__(self) -> int:
        """How many wires there are."""
        return len(self.writers)


def wiring_of(streams: Streams) -> Wiring:
    """All wires of a model."""
    writes: list[Address] = []
    reads: list[Address | None] = []
    pairs: list[tuple[int, int]] = []
    above: dict[str, list[int]] = {}
    for event in streams.events:
        own = above.setdefault(event.tower, [])
        if isinstance(event, Write):
            own.extend(range(len(writes), len(writes) + len(event.nodes)))
            writes.extend(event.nodes)
        elif isinstance(event, Read):
            for node in event.nodes:
                pairs.extend((w, len(reads)) for w in own)
                reads.append(node)
    both = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    shared = shared_in(streams.model.sites)
    return Wiring(tuple(writes), tuple(reads), both[:, 0], both[:, 1], shared=shared)


def gradients_of(here: Recorded) -> dict[str, Tensor]:
    """The gradient of the summed readout in every tensor that is read; zero where nothing depends on it."""
    if here.score is None:
        raise TypeError("a pass without a readout")
    # What stands before the point where gradients begin has none.
    own = {n: x for n, x in here.nodes.items() if x.requires_grad}
    found = torch.autograd.grad(here.score.sum(), list(own.values()), retain_graph=True, allow_unused=True)
    known = {n: g for n, g in zip(own, found, strict=True) if g is not None}
    return {n: known[n] if n in known else torch.zeros_like(x) for n, x in here.nodes.items()}


def wires(streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None = None) -> Tensor:
    """[rows, wires] Δ of the write, times the gradient of the readout as the read alone takes it from the stream.

    Args:
        streams: of the model. here: a pass with gradients. delta: by tensor, how much what is written changes.
        meeting: what stands for the product of both.

    Source: edge attribution patching, Syed et al. 2310.10348, with each norm linearised where it stands.
    """
    if streams.finer is not None:
        return streams.finer.scores(streams, here, delta, meeting)
    gradients = gradients_of(here)
    parts = [_walked(streams, here, delta, gradients, meeting, own) for own in _windows(streams)]
    return torch.cat([torch.cat(each, 2).flatten(1) for each in zip(*parts, strict=True)], 1)


def wires_out_of(
    streams: Streams, here: Recorded, delta: Mapping[str, Tensor], tower: str, writes: range
) -> tuple[Tensor, Tensor]:
    """The numbers of the wires that leave some writes of a tower, and [rows, wires] their scores as of `wires`.

    Args:
        streams, here, delta: as of `wires`. tower, writes: the numbers of the writes among those of its stream.
    """
    gradients = gradients_of(here)
    own = dict.fromkeys(_writes(streams), (0, 0))
    step = streams.together or len(writes)
    parts = [
        _walked(streams, here, delta, gradients, None, own | {tower: (first, min(first + step, writes.stop))})
        for first in range(writes.start, writes.stop, step)
    ]
    made = torch.cat([torch.cat(each, 2).flatten(1) for each in zip(*parts, strict=True)], 1)
    columns: list[int] = []
    above: dict[str, int] = {}
    first = 0
    for event in streams.events:
        if isinstance(event, Write):
            above[event.tower] = above.get(event.tower, 0) + len(event.nodes)
        elif isinstance(event, Read):
            seen = above.get(event.tower, 0)
            for _ in event.nodes:
                columns.extend(first + w for w in (writes if event.tower == tower else ()) if w < seen)
                first += seen
    return torch.tensor(columns, dtype=torch.long, device=made.device), made


Window = Mapping[str, tuple[int, int]]
"""By tower, the numbers of the first write of its stream that goes along, and of the first behind them."""


def _windows(streams: Streams) -> list[Window]:
    """The writes that go along their streams together: all of them, or as many as there is room for."""
    counts = {t: sum(len(w.nodes) for w in own) for t, own in _writes(streams).items()}
    step = streams.together or max(counts.values())
    return [
        {t: (min(first, n), min(first + step, n)) for t, n in counts.items()}
        for first in range(0, max(counts.values()), step)
    ]


def _walked(
    streams: Streams,
    here: Recorded,
    delta: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    meeting: Meeting | None,
    window: Window,
) -> list[Tensor]:
    """For each read [rows, its nodes, writes before it], of the writes in a window alone."""
    changes = {t: _Changes(*ends) for t, ends in window.items()}
    device = next(iter(gradients.values())).device
    out: list[Tensor] = []
    answered = streams.grounds if streams.grounds is not None and streams.grounds.answered else None
    with torch.enable_grad():
        for event in streams.events:
            own = changes[event.tower]
            if isinstance(event, Write):
                if own.wants(len(event.nodes)):
                    made = streams.write(event, delta, here).detach()
                    if answered is not None:  # what is written at the tokens of an answer is no part of a node
                        made = made * answered.mask(event.tower, ALL, here)[:, None, None]
                    own.add(made)
            elif not own.any:
                if isinstance(event, Read):
                    out.append(torch.zeros(here.rows, len(event.nodes), 0, dtype=torch.float64, device=device))
            elif isinstance(event, Norm):
                own.now.copy_(streams.norm(event, own.now, here).detach())
            else:
                so_far = own.now
                pulls = streams.read(event, gradients, here).detach()
                if event.reader == "projector":
                    so_far = _before(so_far, window[event.tower][0], streams, event.tower, here)
                owner = here.owner[event.tower]
                each = (
                    torch.bmm(pulls, so_far.transpose(1, 2))  # [places, reads, writes]
                    if meeting is None
                    else _met(meeting, so_far, pulls, owner, here.rows, _real(streams, event.tower, here))
                )
                total = torch.zeros(here.rows, *each.shape[1:], dtype=torch.float64, device=each.device)
                total.index_add_(0, owner, each.double())
                out.append(total)
    return out


class _Changes:
    """[places, writes, width] how a stream changes by each write of a window so far."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last, self._seen = first, last, 0
        self._whole: Tensor | None = None

    def wants(self, count: int) -> bool:
        """Whether any of so many more writes lies in the window; those that do not are passed."""
        if self._seen + count <= self._first or self._seen >= self._last:
            self._seen += count
            return False
        return True

    def add(self, made: Tensor) -> None:
        """One more write, [places, nodes, width]."""
        low, high = max(self._first - self._seen, 0), min(self._last - self._seen, made.shape[1])
        if self._whole is None:
            self._whole = made.new_empty(len(made), self._last - self._first, made.shape[-1])
        at = self._seen + low - self._first
        self._whole[:, at : at + high - low] = made[:, low:high]
        self._seen += made.shape[1]

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self._whole is not None

    @property
    def now(self) -> Tensor:
        """Those so far."""
        if self._whole is None:
            raise TypeError("a stream that nothing was written into")
        return self._whole[:, : min(self._seen, self._last) - self._first]


def _writes(streams: Streams) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = {}
    for event in streams.events:
        if isinstance(event, Write):
            found.setdefault(event.tower, []).append(event)
    return found


def _real(streams: Streams, tower: str, here: Recorded) -> Tensor:
    """The places of a pass that are no padding."""
    if streams.grounds is None:
        return torch.arange(len(here.owner[tower]), device=here.owner[tower].device)
    return streams.grounds.mask(tower, ALL, here).nonzero()[:, 0]


def _met(meeting: Meeting, changes: Tensor, pulls: Tensor, owner: Tensor, rows: int, real: Tensor) -> Tensor:
    """[places, reads, writes] pair by pair, for what is no product; only `real` places are looked at."""
    out = changes.new_zeros(len(changes), pulls.shape[1], changes.shape[1])
    changes, owner = changes[real], owner[real]
    for k, g in enumerate(pulls[real].unbind(1)):
        out[real, k] = torch.stack([meeting(c, g, owner, rows) for c in changes.unbind(1)], 1)
    return out


def _before(changes: Tensor, first: int, streams: Streams, tower: str, here: Recorded) -> Tensor:
    """The changes of a tower's stream from a write on, without those behind the point where a projector reads it."""
    blocks = streams.projected_from(f"{tower}." if tower else "", here)
    kept = max(0, sum(len(w.nodes) for w in _writes(streams)[tower] if w.layer < blocks) - first)
    return torch.cat((changes[:, :kept], torch.zeros_like(changes[:, kept:])), 1)
