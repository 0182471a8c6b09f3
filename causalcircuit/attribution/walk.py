"""One walk along the streams: all wires of some rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.attribution.layout import Norm, Read, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Meeting, Streams
from causalcircuit.query import ALL, Address, Position, Site


@dataclass(frozen=True, slots=True)
class Wiring:
    """The wires of a model: which write reaches which read.

    Attributes:
        writes, reads: the nodes, in order of computation; `None` is the readout.
        writers, readers: of each wire the numbers of both ends.
        starts, stops: the positions of `writes` and of `reads`; empty where each node is meant at all positions.
    """

    writes: tuple[Address, ...]
    reads: tuple[Address | None, ...]
    writers: Tensor
    readers: Tensor
    starts: tuple[Position, ...] = ()
    stops: tuple[Position, ...] = ()

    @property
    def fine(self) -> bool:
        """Whether its nodes are finer than whole parts: those asked for, and no others."""
        return bool(self.starts)

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
    return Wiring(tuple(writes), tuple(reads), both[:, 0], both[:, 1])


def gradients_of(here: Recorded) -> dict[str, Tensor]:
    """The gradient of the summed readout in every tensor that is read; zero where nothing depends on it."""
    if here.score is None:
        raise TypeError("a pass without a readout")
    names = list(here.nodes)
    found = torch.autograd.grad(here.score.sum(), [here.nodes[n] for n in names], retain_graph=True, allow_unused=True)
    return {n: torch.zeros_like(here.nodes[n]) if g is None else g for n, g in zip(names, found, strict=True)}


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
    changes = {t: _Changes(sum(len(w.nodes) for w in own)) for t, own in _writes(streams).items()}
    out: list[Tensor] = []
    with torch.enable_grad():
        for event in streams.events:
            own = changes[event.tower]
            if isinstance(event, Write):
                own.add(streams.write(event, delta, here).detach())
            elif isinstance(event, Norm):
                own.now.copy_(streams.norm(event, own.now, here).detach())
            else:
                so_far = own.now
                pulls = streams.read(event, gradients, here).detach()
                if event.reader == "projector":
                    so_far = _before(so_far, streams, event.tower, here)
                owner = here.owner[event.tower]
                each = (
                    torch.bmm(pulls, so_far.transpose(1, 2))  # [places, reads, writes]
                    if meeting is None
                    else _met(meeting, so_far, pulls, owner, here.rows)
                )
                total = torch.zeros(here.rows, *each.shape[1:], dtype=torch.float64, device=each.device)
                total.index_add_(0, owner, each.double())
                out.append(total.flatten(1))
    return torch.cat(out, 1)


class _Changes:
    """[places, writes, width] how a stream changes by each write so far."""

    def __init__(self, count: int) -> None:
        self._count, self._used = count, 0
        self._whole: Tensor | None = None

    def add(self, made: Tensor) -> None:
        """One more write."""
        if self._whole is None:
            self._whole = made.new_empty(len(made), self._count, made.shape[-1])
        self._whole[:, self._used : self._used + made.shape[1]] = made
        self._used += made.shape[1]

    @property
    def now(self) -> Tensor:
        """Those so far."""
        if self._whole is None:
            raise TypeError("a stream that nothing was written into")
        return self._whole[:, : self._used]


def _writes(streams: Streams) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = {}
    for event in streams.events:
        if isinstance(event, Write):
            found.setdefault(event.tower, []).append(event)
    return found


def _met(meeting: Meeting, changes: Tensor, pulls: Tensor, owner: Tensor, rows: int) -> Tensor:
    """[places, reads, writes] pair by pair, for what is no product."""
    found = [torch.stack([meeting(c, g, owner, rows) for c in changes.unbind(1)], 1) for g in pulls.unbind(1)]
    return torch.stack(found, 1)


def _before(changes: Tensor, streams: Streams, tower: str, here: Recorded) -> Tensor:
    """The changes of a tower's stream, without those behind the point at which a projector reads it."""
    blocks = streams.projected_from(f"{tower}." if tower else "", here)
    kept = sum(len(w.nodes) for w in _writes(streams)[tower] if w.layer < blocks)
    return torch.cat((changes[:, :kept], torch.zeros_like(changes[:, kept:])), 1)
