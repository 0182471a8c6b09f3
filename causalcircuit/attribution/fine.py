"""All wires between nodes that are finer than whole parts: laid out once, then walked along the streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.attribution import ends
from causalcircuit.attribution.carry import Carrier
from causalcircuit.attribution.ends import Piece, Point, Port, Step
from causalcircuit.attribution.fine_walk import Bundle, scored
from causalcircuit.attribution.grounds import Grounds
from causalcircuit.attribution.layout import Read, Write
from causalcircuit.attribution.neurons import NeuronRead, maps_into, neuron_read
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Meeting, Streams
from causalcircuit.attribution.walk import Wiring, gradients_of
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.explained import check_explained
from causalcircuit.models import Tap
from causalcircuit.query import ALL, Address, Position, Site, render
from causalcircuit.query.wiring import end_of

_MOST = 20_000_000
"""Wires of one question: each has a score on every row of a pass."""


@dataclass(eq=False)
class Fine:
    """The wires between some nodes.

    Attributes:
        carrier: between the tensors of nodes and streams. over: the nodes, one position each.
        steps: of the model, with what is asked for. bundles: by step. wiring: all wires.
        layers: by tower, of each write the layer it stands in. neurons: MLPs whose neurons read in closed form.
    """

    carrier: Carrier
    over: tuple[Site, ...]
    steps: list[Step]
    bundles: list[list[Bundle]] = field(default_factory=list)
    wiring: Wiring = field(default_factory=lambda: Wiring((), (), torch.zeros(0).long(), torch.zeros(0).long()))
    layers: dict[str, list[int]] = field(default_factory=dict)
    neurons: dict[str, NeuronRead] = field(default_factory=dict)

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

    def probes(self) -> list[Tap]:
        """Taps on one row, from which `look` learns."""
        out: list[Tap] = list(self.carrier.probes(tuple(self.pieces)))
        for read in self._neural():
            out.extend(maps_into(self.carrier.streams, read.tower, read.layer))
        return out

    def look(self, probe: Recorded) -> None:
        """Learn from a pass with `probes` what is simple; the streams have looked at it before."""
        self.carrier.look(probe)
        streams = self.carrier.streams
        if probe.score is None or not probe.score.requires_grad or not streams.quick:
            return
        gradients = gradients_of(probe)
        for read in self._neural():
            taps = maps_into(streams, read.tower, read.layer)
            found = neuron_read(streams, read, taps, gradients, probe)
            if found is not None:
                lead = f"{read.tower}." if read.tower else ""
                self.neurons[f"{lead}layer[{read.layer}].mlp.neurons"] = found

    def _neural(self) -> Iterator[Read]:
        """Where neurons read."""
        for step in self.steps:
            neural = (isinstance(p.node, Piece) and p.node.tensor.endswith(".mlp.neurons") for p in step.reads)
            if isinstance(step.event, Read) and any(neural):
                yield step.event

    def taps(self) -> list[Tap]:
        """What a pass with gradients keeps that is no site."""
        return [t for found in self.neurons.values() for t in found.taps]

    def scores(
        self, streams: Streams, here: Recorded, delta: Mapping[str, Tensor], meeting: Meeting | None = None
    ) -> Tensor:
        """[rows, wires] as `walk.wires`."""
        return scored(self, streams, here, delta, meeting)

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
        return {n for step in self.steps for p in step.writes for n in (p.tensor, p.entry.tensor)}


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
