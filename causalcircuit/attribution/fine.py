"""All wires between nodes that are finer than whole parts: laid out once, then walked along the streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.attribution import ends
from causalcircuit.attribution.carry import Carrier, Moved, detached
from causalcircuit.attribution.ends import Piece, Point, Port, Step
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.layout import Event, Norm, Read, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Meeting, Streams
from causalcircuit.attribution.walk import Wiring, gradients_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.explained import check_explained
from causalcircuit.query import ALL, Address, Position, Site, render
from causalcircuit.query.wiring import end_of

_MOST = 20_000_000
"""Wires of one question: each has a score on every row of a pass."""
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


@dataclass(eq=False)
class Fine:
    """The wires between some nodes.

    Attributes:
        carrier: between the tensors of nodes and streams. over: the nodes, one position each.
        steps: of the model, with what is asked for. bundles: by step. wiring: all wires.
        layers: by tower, of each write the layer it stands in.
    """

    carrier: Carrier
    over: tuple[Site, ...]
    steps: list[Step]
    bundles: list[list[Bundle]] = field(default_factory=list)
    wiring: Wiring = field(default_factory=lambda: Wiring((), (), torch.zeros(0).long(), torch.zeros(0).long()))
    layers: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, streams: Streams, grounds: Grounds, over: Sequence[Site]) -> Fine:
        """Lay the wires between some nodes out.

        Raises:
            DiagnosticError: CQ244, CQ789, positions that these rows have not, or not alike; CQ536, a node that does
                not keep the hook contract; CQ555, a dictionary of something else; CQ793, nodes of which no wires are
                known, or too many wires.
        """
        sites = grounds.spread(over)
        for site in sites:
            _check_trusted(streams, site, grounds.info(site).tensor)
        check_explained(grounds.rows.prepared, {s.address.attached for s in sites} - {""})
        made = cls(Carrier(streams, grounds), sites, [])
        _Layout(made, streams, grounds).lay()
        return made

    @property
    def pieces(self) -> Iterator[Piece]:
        """All that nodes write, or read by."""
        for step in self.steps:
            yield from step.writes
            yield from (p.node for p in step.reads if isinstance(p.node, Piece))

    def scores(
        self, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None = None
    ) -> Tensor:
        """[rows, wires] as `walk.wires`."""
        return _scored(self, streams, here, delta, meeting)

    def via(self, read: Site) -> Site | None:
        """The read of a stream through which a node reads that reads by itself; `None` for any other read."""
        if not ends.own_read(read):
            return None
        return ends.via(read, ends.entry_of(self.carrier.streams.model.sites, read))

    def names(self) -> set[str]:
        """Tensors that a pass with gradients keeps, beside those of all parts."""
        out = {n for p in self.pieces for n in (p.tensor, p.entry.tensor)}
        streams = self.carrier.streams
        for step in self.steps:
            event = step.event
            if isinstance(event, Point):
                out.add(event.tensor)
            elif isinstance(event, Read) and event.kind == "mlp" and any(isinstance(p.node, Piece) for p in step.reads):
                out.add(streams.given(event)[0])
        return out

    def written(self) -> set[str]:
        """Tensors whose change between both worlds is asked for."""
        return {p.tensor for step in self.steps for p in step.writes}


def _check_trusted(streams: Streams, site: Site, tensor: str) -> None:
    why = streams.model.refused.get(tensor)
    if why is not None:
        raise error(
            "CQ536",
            f"`{render(site)}` does not keep the hook contract: {why}",
            site.span,
            help="its numbers could not be trusted; `cq sites` lists the sites of a model with their status",
        )


class _Layout:
    """Lays wires out."""

    def __init__(self, made: Fine, streams: Streams, grounds: Grounds) -> None:
        self.made, self.streams, self.grounds = made, streams, grounds
        self.table = streams.model.sites
        self.sources: dict[str, list[tuple[int, int, Position]]] = {}
        """By tower, what is written so far: the node, the number of its piece, and the position of it that counts."""
        self.last = end_of(self.table, grounds.rows.question.readout).position or ALL
        self.ends: list[tuple[Tensor, int]] = []
        self.count = 0

    def lay(self) -> None:
        """Fill the layout in."""
        made, table = self.made, self.table
        pieces = {s: ends.piece_of(table, s) for s in made.over}
        made.steps = ends.steps_of(self.streams.events, [p.entry for p in pieces.values()])
        at = {id(step.event): k for k, step in enumerate(made.steps)}
        ports = {a: (at[id(self.streams.events[k])], i) for a, (k, i) in ends.ports_of(self.streams.events).items()}
        writers: dict[int, list[Site]] = {}
        readers: dict[int, dict[Site, Port]] = {}
        for site, piece in pieces.items():
            writers.setdefault(ends.step_at(made.steps, piece.entry, read=False), []).append(site)
            for k, end, port in self._reads(site, piece, ports):
                readers.setdefault(k, {}).setdefault(end, port)
        writes: list[Site] = []
        reads: list[Site | None] = []
        for k, step in enumerate(made.steps):
            made.bundles.append([])
            if isinstance(step.event, Read) and step.event.nodes == (None,):
                self._bundle(k, {None: Port(0)}, reads)
            elif isinstance(step.event, Read | Point) and k in readers:
                self._bundle(k, readers[k], reads)
            if isinstance(step.event, Write | Point):
                self._written(step, writers.get(k, []), pieces, writes)
        made.wiring = self._wiring(writes, reads)

    def _reads(
        self, site: Site, piece: Piece, ports: Mapping[Address, tuple[int, int]]
    ) -> Iterator[tuple[int, Site, Port]]:
        """The steps at which a node reads, as what."""
        if ends.own_read(site):
            order = "pre"
            if piece.entry.kind in ("heads", "mlp"):
                order = self.streams.blocks[piece.entry.tower, piece.entry.layer].order
            if piece.entry.tensor.endswith("resid[0]"):
                return  # what is found in an embedding reads nothing of the stream
            entry, local = ends.reading(self.table, site, order)
            k = ends.step_at(self.made.steps, entry, read=True)
            own = piece if local else Piece(piece.tensor, piece.start, piece.stop, piece.entry, site.position)
            yield k, site, Port(own)
            return
        for read in ends.reads_at(self.table, site):
            k, i = ports[read.address]
            if read.address.path[-1].name == "out":  # a projector, whose positions are no places of what it reads
                info = self.grounds.info(read)
                entry = ends.entry_of(self.table, read)
                yield k, read, Port(Piece(info.tensor, info.start, info.stop, entry, read.position))
            else:
                yield k, read, Port(i)

    def _written(self, step: Step, sites: Sequence[Site], pieces: Mapping[Site, Piece], writes: list[Site]) -> None:
        tower = step.event.tower
        own = self.sources.setdefault(tower, [])
        found: dict[Piece, list[Site]] = {}
        for site in sites:
            piece = pieces[site]
            if self.grounds.info(site).stand != tower:  # places of its own: its position is one of its tensor
                piece = Piece(piece.tensor, piece.start, piece.stop, piece.entry, site.position)
            found.setdefault(piece, []).append(site)
        layers = self.made.layers.setdefault(tower, [])
        for piece in sorted(found, key=lambda p: (p.tensor, str(p.at), p.start)):
            for site in found[piece]:
                own.append((len(writes), len(layers), ALL if piece.at is not None else site.position))
                writes.append(site)
            step.writes.append(piece)
            layers.append(piece.entry.layer)

    def _bundle(self, k: int, found: Mapping[Site, Port] | Mapping[None, Port], reads: list[Site | None]) -> None:
        """The wires into a step."""
        step = self.made.steps[k]
        by_position: dict[Position, list[tuple[int, int]]] = {}
        for number, piece, position in self.sources.get(step.event.tower, []):
            by_position.setdefault(position, []).append((number, piece))
        numbers: dict[Port, int] = {}
        groups: dict[tuple[Position, Position], list[Tensor]] = {}
        for end, port in found.items():
            stop = _stop(end, port)
            for start, own in by_position.items():
                if stop is not None and not self.grounds.meet(step.event.tower, start, stop):
                    continue
                if end is None and not self.grounds.meet(step.event.tower, start, self.last):
                    continue
                numbers.setdefault(port, len(numbers))
                writers, pieces = torch.tensor(own).T
                wires = torch.arange(self.count, self.count + len(own))
                made = torch.stack((pieces, torch.full_like(pieces, numbers[port]), wires))
                groups.setdefault((start, ALL if stop is None else stop), []).append(made)
                self.ends.append((writers, len(reads)))
                # Keys and values are read where each write stands.
                reads.append(Site(end.address, start) if end is not None and stop is None else end)
                self.count += len(own)
                if self.count > _MOST:
                    raise _too_many()
        step.reads = list(numbers)
        self.made.bundles[k] = [Bundle(a, b, *torch.cat(found, 1)) for (a, b), found in groups.items()]

    def _wiring(self, writes: Sequence[Site], reads: Sequence[Site | None]) -> Wiring:
        none = torch.zeros(0, dtype=torch.long)
        return Wiring(
            tuple(s.address for s in writes),
            tuple(None if s is None else s.address for s in reads),
            torch.cat([none, *(w for w, _ in self.ends)]),
            torch.cat([none, *(torch.full((len(w),), r) for w, r in self.ends)]),
            tuple(s.position for s in writes),
            tuple(ALL if s is None else s.position for s in reads),
        )


def _stop(end: Site | None, port: Port) -> Position | None:
    """The position of a read that counts; `None` where it takes from wherever a write stands."""
    if end is None or (isinstance(port.node, Piece) and port.node.at is not None):
        return ALL
    return None if ends.follows(end) else end.position


def _too_many() -> DiagnosticError:
    return error(
        "CQ793",
        f"these nodes have more than {_MOST:,} wires between them",
        help="name fewer of them: the neurons of some layers, a few positions, the features that are active",
    )


def _scored(
    fine: Fine, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None
) -> Tensor:
    gradients = gradients_of(here)
    moved: dict[str, Moved] = {}
    out = torch.zeros(here.rows, len(fine.wiring), dtype=torch.float64, device=streams.model.device)
    masks = _Masks(fine.carrier.grounds, here)
    with torch.enable_grad():
        for step, bundles in zip(fine.steps, fine.bundles, strict=True):
            event = step.event
            own = moved.setdefault(event.tower, Moved())
            if isinstance(event, Norm) and own.parts:
                own.parts = [streams.norm(event, own.whole(), here).detach()]
            if isinstance(event, Read | Point) and bundles:
                _met(fine, streams, step, bundles, own, gradients, here, masks, meeting, out)
            if isinstance(event, Write | Point) and step.writes:
                for made in fine.carrier.written(event, step.writes, delta, here):
                    own.add(detached(made))
    return out


def _met(
    fine: Fine,
    streams: Streams,
    step: Step,
    bundles: Sequence[Bundle],
    own: Moved,
    gradients: Mapping[str, Tensor],
    here: Recorded,
    masks: _Masks,
    meeting: Meeting | None,
    out: Tensor,
) -> None:
    """Score the wires into a step, some ports at a time."""
    event = step.event
    blind = _blind(fine, streams, event, here)
    size = len(here.owner[event.tower]) * max(len(fine.layers[event.tower]), 1)
    most = max(1, _BLOCK // max(size, 1))
    for first in range(0, len(step.reads), most):
        ports = step.reads[first : first + most]
        pulls = _pulls(fine, streams, event, ports, gradients, here).detach()
        values = own.met(pulls) if meeting is None else None
        if values is not None and blind is not None:
            values[:, :, blind] = 0.0
        for bundle in bundles:
            chosen = (bundle.ports >= first) & (bundle.ports < first + len(ports))
            if not bool(chosen.any()):
                continue
            pieces, numbers, wires = (x[chosen] for x in (bundle.pieces, bundle.ports - first, bundle.wires))
            places = masks.places(event.tower, bundle.start, bundle.end)
            owner = here.owner[event.tower]
            if values is not None:
                out[:, wires] += _summed(values[places][:, numbers, pieces], owner[places], here.rows)
            elif meeting is not None:
                start = masks.places(event.tower, bundle.start, ALL)
                reads = masks.of(event.tower, bundle.end)[start]
                for port in sorted(set(numbers.tolist())):
                    mine = numbers == port
                    changes = own.some(start, pieces[mine])
                    if blind is not None:
                        changes[:, blind[pieces[mine]]] = 0.0
                    met = meeting(changes, (pulls[start, port] * reads[:, None])[:, None], owner[start], here.rows)
                    out[:, wires[mine]] += _summed(met, owner[start], here.rows)


def _summed(each: Tensor, owner: Tensor, rows: int) -> Tensor:
    """[rows, wires] of [places, wires]."""
    return torch.zeros(rows, each.shape[1], dtype=torch.float64, device=each.device).index_add_(0, owner, each.double())


def _blind(fine: Fine, streams: Streams, event: object, here: Recorded) -> Tensor | None:
    """[pieces] those behind the point at which a projector reads its tower's stream."""
    if not isinstance(event, Read) or event.reader != "projector":
        return None
    blocks = streams.projected_from(f"{event.tower}." if event.tower else "", here)
    return torch.tensor(fine.layers[event.tower]) >= blocks


def _pulls(
    fine: Fine,
    streams: Streams,
    event: Event | Point,
    ports: Sequence[Port],
    gradients: Mapping[str, Tensor],
    here: Recorded,
) -> Tensor:
    """[places, ports, width] the gradient in the stream, as each port alone reads it."""
    plain = [p.node for p in ports if isinstance(p.node, int)]
    pieces = [p.node for p in ports if isinstance(p.node, Piece)]
    found: dict[int, Tensor] = {}
    if plain and isinstance(event, Read):
        whole = streams.read(event, gradients, here).detach()
        found = {node: whole[:, node] for node in plain}
    own = iter(fine.carrier.read(event, pieces, gradients, here).unbind(1) if pieces else ())
    return torch.stack([found[p.node] if isinstance(p.node, int) else next(own) for p in ports], 1)


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
