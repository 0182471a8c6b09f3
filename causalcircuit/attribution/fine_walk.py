"""One walk along the streams with nodes finer than whole parts: their wires' scores, bundle by bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from causalcircuit.attribution.carry import Moved, detached
from causalcircuit.attribution.ends import Piece, Point, Port, Step
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.layout import Event, Norm, Read, Write
from causalcircuit.attribution.neurons import Pulls
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Meeting, Streams
from causalcircuit.attribution.walk import gradients_of
from causalcircuit.query import ALL, Position

if TYPE_CHECKING:
    from causalcircuit.attribution.fine import Fine

_BLOCK = 1 << 25
"""Numbers of one product."""


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Wires into one step whose writes stand at one position, and whose reads do.

    Attributes:
        start, end: those positions. pieces, ports: of each wire the number of its write in the tower and of its read
            at the step. wires: their numbers.
    """

    start: Position
    end: Position
    pieces: Tensor
    ports: Tensor
    wires: Tensor


def scored(
    fine: Fine, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None
) -> Tensor:
    """[rows, wires] as `walk.wires`."""
    walk = _Walk(fine, streams, here, gradients_of(here), meeting)
    moved: dict[str, Moved] = {}
    with torch.enable_grad():
        for step, bundles in zip(fine.steps, fine.bundles, strict=True):
            event = step.event
            own = moved.setdefault(event.tower, Moved())
            if isinstance(event, Norm) and own.parts:
                own.parts = [streams.norm(event, own.whole(), here).detach()]
            if isinstance(event, Read | Point) and bundles:
                walk.read(step, bundles, own)
            if isinstance(event, Write | Point) and step.writes:
                for made in fine.carrier.written(event, step.writes, delta, here):
                    own.add(detached(made))
    return walk.out


class _Walk:
    """The scores of one walk, as far as it has come."""

    def __init__(
        self, fine: Fine, streams: Streams, here: Recorded, gradients: Mapping[str, Tensor], meeting: Meeting | None
    ) -> None:
        self.fine, self.streams, self.here, self.gradients, self.meeting = fine, streams, here, gradients, meeting
        self.out = torch.zeros(here.rows, len(fine.wiring), dtype=torch.float64, device=streams.model.device)
        self.masks = _Masks(fine.carrier.grounds, here)

    def read(self, step: Step, bundles: Sequence[Bundle], own: Moved) -> None:
        """Score the wires into a step, some ports at a time."""
        event = step.event
        blind = self._blind(event)
        size = len(self.here.owner[event.tower]) * max(len(self.fine.layers[event.tower]), 1)
        most = max(1, _BLOCK // max(size, 1))
        first = 0
        for short, several in groupby(step.reads, self._is_short):
            ports = list(several)
            for k in range(0, len(ports), most):
                some = ports[k : k + most]
                pulls = self._short(event, some) if short else self._pulls(event, some).detach()
                if self.meeting is None:
                    values = pulls.met(own) if isinstance(pulls, Pulls) else own.met(pulls)
                    if blind is not None:
                        values[:, :, blind] = 0.0
                    self._product(event.tower, bundles, values, first)
                else:
                    whole = pulls.whole() if isinstance(pulls, Pulls) else pulls
                    self._meet(event.tower, bundles, whole, own, blind, first, self.meeting)
                first += len(some)

    def _product(self, tower: str, bundles: Sequence[Bundle], values: Tensor, first: int) -> None:
        """Add up [places, ports, pieces] where the ends of wires stand; `first` is the number of the first port."""
        owner = self.here.owner[tower]
        for bundle in bundles:
            pieces, ports, wires = _among(bundle, first, values.shape[1])
            if len(wires):
                places = self.masks.places(tower, bundle.start, bundle.end)
                self.out[:, wires] += _summed(values[places][:, ports, pieces], owner[places], self.here.rows)

    def _meet(
        self,
        tower: str,
        bundles: Sequence[Bundle],
        pulls: Tensor,
        own: Moved,
        blind: Tensor | None,
        first: int,
        meeting: Meeting,
    ) -> None:
        """The same for what is no product: all places of a write are looked at together."""
        for bundle in bundles:
            pieces, ports, wires = _among(bundle, first, pulls.shape[1])
            if not len(wires):
                continue
            start = self.masks.places(tower, bundle.start, ALL)
            reads = self.masks.of(tower, bundle.end)[start]
            owner = self.here.owner[tower][start]
            for port in sorted(set(ports.tolist())):
                mine = ports == port
                changes = own.some(start, pieces[mine])
                if blind is not None:
                    changes[:, blind[pieces[mine]]] = 0.0
                met = meeting(changes, (pulls[start, port] * reads[:, None])[:, None], owner, self.here.rows)
                self.out[:, wires[mine]] += _summed(met, owner, self.here.rows)

    def _blind(self, event: object) -> Tensor | None:
        """[pieces] those behind the point at which a projector reads its tower's stream."""
        if not isinstance(event, Read) or event.reader != "projector":
            return None
        blocks = self.streams.projected_from(f"{event.tower}." if event.tower else "", self.here)
        return torch.tensor(self.fine.layers[event.tower]) >= blocks

    def _is_short(self, port: Port) -> bool:
        """Whether a port is a neuron that reads in closed form, in this pass."""
        node = port.node
        if not isinstance(node, Piece) or node.tensor not in self.fine.neurons:
            return False
        return f"{node.tensor.removesuffix('neurons')}in" in self.streams.quick

    def _short(self, event: Event | Point, ports: Sequence[Port]) -> Pulls:
        """The gradients at some neurons of one MLP."""
        pieces = [p.node for p in ports if isinstance(p.node, Piece)]
        if not isinstance(event, Read):
            raise TypeError("neurons read where their MLP does")
        name = pieces[0].tensor
        x = self.streams.stream(event, self.here)
        columns = [p.start for p in pieces]
        return self.fine.neurons[name].pulls(x, name, columns, self.gradients[name], self.here)

    def _pulls(self, event: Event | Point, ports: Sequence[Port]) -> Tensor:
        """[places, ports, width] the gradient in the stream, as each port alone reads it."""
        plain = [p.node for p in ports if isinstance(p.node, int)]
        pieces = [p.node for p in ports if isinstance(p.node, Piece)]
        found: dict[int, Tensor] = {}
        if plain and isinstance(event, Read):
            whole = self.streams.read(event, self.gradients, self.here).detach()
            found = {node: whole[:, node] for node in plain}
        made = self.fine.carrier.read(event, pieces, self.gradients, self.here).unbind(1) if pieces else ()
        own = iter(made)
        return torch.stack([found[p.node] if isinstance(p.node, int) else next(own) for p in ports], 1)


def _among(bundle: Bundle, first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pieces, ports and wires of a bundle into so many ports from one on."""
    chosen = (bundle.ports >= first) & (bundle.ports < first + count)
    return bundle.pieces[chosen], bundle.ports[chosen] - first, bundle.wires[chosen]


def _summed(each: Tensor, owner: Tensor, rows: int) -> Tensor:
    """[rows, wires] of [places, wires]."""
    return torch.zeros(rows, each.shape[1], dtype=torch.float64, device=each.device).index_add_(0, owner, each.double())


class _Masks:
    """The places of positions in one pass, each once."""

    def __init__(self, grounds: Grounds, here: Recorded) -> None:
        self.grounds, self.here = grounds, here
        self._found: dict[tuple[str, Position], Tensor] = {}

    def of(self, tower: str, position: Position) -> Tensor:
        """[places] whether each belongs to a position."""
        if (tower, position) not in self._found:
            self._found[tower, position] = self.grounds.mask(tower, position, self.here)
        return self._found[tower, position]

    def places(self, tower: str, start: Position, end: Position) -> Tensor:
        """The places of two positions together."""
        return (self.of(tower, start) & self.of(tower, end)).nonzero()[:, 0]
