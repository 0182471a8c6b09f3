"""Passes in which some wires carry what they do, and all others what they carry in another world.

The pass is one in the world `to`. What a part reads of each write upstream is that write in this pass where the wire is
kept, and the write in the world `from` where it is not: `do(outside(C) = (outside(C) | from))` in the world `to`. With
all wires kept it is `to` itself. Every part then computes with what it reads, so later writes follow.

A part that reads a stream of its own takes it from a copy of the rows in the same batch: the copy's stream is set where
the part reads, and what the copy makes of it (a query, a key, an MLP's input) is put into the first copy. So norms,
rotations and biases are the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.layout import Norm, Read, Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.streams import Streams
from causalcircuit.diagnostics import error
from causalcircuit.engine.passes import Pass, feeds_in
from causalcircuit.models import Block, needed, tapped

_PLACES = 4096
"""Positions of one pass, copies included."""
_INNER = (".q", ".k", ".v", ".z", ".pattern", ".mlp.in", ".mlp.out", ".mlp.neurons", "resid[0]")
"""Tensors whose assignment in `to` leaves the stream the sum of what is written into it."""


@dataclass(frozen=True, slots=True)
class Port:
    """A read: which part of a tensor it is; the readout has none.

    Attributes:
        tensor: its tap. index: which of `count` equal parts of the components.
        wires: the numbers of the wires that end in it.
    """

    tensor: str | None
    index: int
    count: int
    wires: range


@dataclass(frozen=True, slots=True)
class Station:
    """Where copies take the streams that parts read: a tap, and the parts."""

    tap: str
    tower: str
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's writes and stations, by the taps where they are met."""

    writes: Mapping[str, tuple[Write, ...]]
    stations: Mapping[str, Station]
    last: str

    @classmethod
    def of(cls, streams: Streams) -> Layout:
        """Lay the passes of a model out.

        Raises:
            DiagnosticError: CQ795, what stands between a write and a read is no sum.
        """
        _check(streams)
        writes: dict[str, list[Write]] = {}
        ports: dict[str, list[Port]] = {}
        towers: dict[str, str] = {}
        count: dict[str, int] = {}
        wire, last = 0, ""
        for event in streams.events:
            if isinstance(event, Write):
                count[event.tower] = count.get(event.tower, 0) + len(event.nodes)
                writes.setdefault(_written_at(event), []).append(event)
            elif isinstance(event, Read):
                tap, tensors = _read_at(event, streams)
                towers[tap] = event.tower
                for tensor, index, parts in tensors:
                    ports.setdefault(tap, []).append(Port(tensor, index, parts, range(wire, wire + count[event.tower])))
                    wire += count[event.tower]
                    last = tap if tensor is None else last
        stations = {tap: Station(tap, towers[tap], tuple(found)) for tap, found in ports.items()}
        return cls({tap: tuple(found) for tap, found in writes.items()}, stations, last)


def _check(streams: Streams) -> None:
    if any(isinstance(e, Norm) for e in streams.events):
        why = "its stream passes through norms, so that it is no sum of what is written into it"
    elif streams.tailed:
        why = "a norm behind each attention mixes what its heads write"
    elif streams.model.sites.projector:
        why = "its embedding and what images become are written into one tensor, and are not told apart here"
    else:
        return
    raise error(
        "CQ795",
        f"wires of `{streams.model.ref.name}` cannot be kept by sums: {why}",
        help="assign single wires: `do((A -> B) = (A | w))`",
    )


def _written_at(write: Write) -> str:
    prefix = f"{write.tower}." if write.tower else ""
    at = f"{prefix}layer[{write.layer}]."
    where = {"heads": f"{at}z", "cross": f"{at}cross.z", "mlp": f"{at}mlp.out"}
    return where.get(write.kind, f"{prefix}resid[0]")


def _read_at(read: Read, streams: Streams) -> tuple[str, list[tuple[str | None, int, int]]]:
    """Where the stream is set that nodes read, and of each node its tensor, which part of it, of how many."""
    prefix = f"{read.tower}." if read.tower else ""
    at = f"{prefix}layer[{read.layer}]."
    tower = streams.model.sites.tower(read.tower)

    def parts(lead: str, which: str, heads: int, groups: int) -> list[tuple[str | None, int, int]]:
        counts = [(x, heads if x == "q" else groups) for x in which]
        return [(f"{lead}{x}", j, n) for x, n in counts for j in range(n)]

    if read.kind == "attn":
        return f"{prefix}resid[{read.layer}]", parts(at, "qkv", tower.heads, tower.groups)
    if read.kind == "cross":
        return f"{at}resid_mid", parts(f"{at}cross.", "q", tower.heads, tower.groups)
    if read.kind == "mlp":
        block = streams.blocks[read.tower, read.layer]
        if block.order == "parallel":
            return f"{prefix}resid[{read.layer}]", [(f"{at}mlp.in", 0, 1)]
        return f"{at}resid_mid" if block.cross is None else f"{at}cross.out", [(f"{at}mlp.in", 0, 1)]
    behind = f"{prefix}resid[{tower.layers}]"
    if read.nodes == (None,):
        return behind, [(None, 0, 1)]
    other = streams.model.sites.tower(read.reader)
    return behind, parts(f"{other.prefix}layer[{read.layer}].cross.", "kv", other.heads, other.groups)


@dataclass(frozen=True, slots=True)
class Streamed:
    """How the ports of a station get what they read, under one choice of wires.

    Attributes:
        masks: [copies, writes] the wires kept in each stream that copies take.
        source: of each port the number of its copy from 1 on; 0 where all its wires are kept, -1 where none is.
    """

    masks: Tensor
    source: tuple[int, ...]


def streamed(station: Station, kept: Tensor, bare: bool) -> Streamed:
    """The distinct streams that a station's ports read; with `bare` worlds, those without a wire take `from`'s."""
    masks = torch.stack([kept[p.wires.start : p.wires.stop] for p in station.ports])
    distinct, index = torch.unique(masks, dim=0, return_inverse=True)
    number: dict[int, int] = {}
    chosen: list[int] = []
    for i, row in enumerate(distinct):
        readout = station.ports[0].tensor is None
        if bool(row.all()) and not readout:
            number[i] = 0
        elif bare and not readout and not bool(row.any()):
            number[i] = -1
        else:
            chosen.append(i)
            number[i] = len(chosen)
    return Streamed(distinct[chosen], tuple(number[int(i)] for i in index))


class _Done(Exception):  # noqa: N818 - no error
    """The last stream has been seen."""


@dataclass(eq=False)
class Kept:
    """Some rows of a question, ready for passes with some wires.

    Attributes:
        passes: of single rows, so far.
    """

    bench: Bench
    rows: range
    layout: Layout
    passes: int = 0
    other: Recorded = field(init=False)

    def __post_init__(self) -> None:
        """Run the world `from`.

        Raises:
            DiagnosticError: CQ795, `to` assigns the stream itself.
        """
        rows = self.bench.rows
        run = rows.prepared.setups[rows.index[rows.question.end]]
        whole = [e.site.address for e in run.edits if not e.info.tensor.endswith(_INNER)]
        if whole:
            raise error(
                "CQ795",
                f"`to` assigns `{whole[0]}`: what single wires carry past that is not known",
                help="assign heads, MLPs or inputs",
            )
        rows.before(self.rows)
        ports = {p.tensor for s in self.layout.stations.values() for p in s.ports if p.tensor is not None}
        taps = [t for n, t in rows.model.taps.items() if n in ports or n in self.layout.writes]
        self.other = rows.run(rows.question.start, self.rows, taps, scored=False)
        self.passes += len(self.rows)
        start = rows.prepared.setups[rows.index[rows.question.start]]
        self.bare = not run.edits and not start.edits

    def readout(self, kept: Tensor) -> Tensor:
        """[rows] the readout with the wires of a mask [wires] alone."""
        found = {tap: streamed(s, kept, self.bare) for tap, s in self.layout.stations.items()}
        with torch.no_grad():
            fixed = _Run(self, found).fixed()
        rows = self.bench.rows
        self.passes += len(self.rows)
        taps = [rows.model.taps[n] for n in fixed]
        here = rows.run(rows.question.end, self.rows, taps, change=lambda name, value, _: fixed.get(name, value))
        if here.score is None:
            raise TypeError("a pass without a readout")
        return here.score.detach().double().cpu()


class _Run:
    """One forward pass of the rows and their copies."""

    def __init__(self, kept: Kept, found: Mapping[str, Streamed]) -> None:
        self.kept, self.found, self.streams = kept, found, kept.bench.streams
        self.copies = max((len(s.masks) for s in found.values()), default=0)
        self.put: dict[str, Tensor] = {}
        self.less: dict[str, Tensor] = {}
        """By tower, [places, writes, width]: how far what `from` writes is from what this pass writes."""
        self.beside: dict[str, Tensor] = {}
        self.ports: dict[str, list[tuple[Port, int]]] = {}
        for tap, station in kept.layout.stations.items():
            for port, source in zip(station.ports, found[tap].source, strict=True):
                if port.tensor is not None:
                    self.ports.setdefault(port.tensor, []).append((port, source))

    def fixed(self) -> dict[str, Tensor]:
        """What every part reads, and the last stream."""
        rows, model = self.kept.bench.rows, self.kept.bench.rows.model
        slots = rows.slots(rows.question.end, self.kept.rows)
        feeds = feeds_in(model, slots, rows.reads)
        self.work = Pass(model, slots, rows.reads, model.batch(feeds))
        batch = model.batch(feeds * (1 + self.copies))
        layout = self.kept.layout
        wanted = {*self.work.tensors, *layout.writes, *layout.stations, *self.ports}
        wanted |= {t.replace("cross.out", "resid_mid") for t in layout.stations if t.endswith("cross.out")}
        attached = needed(model.taps, wanted)
        used = [t for n, t in model.taps.items() if n in attached]
        self.kept.passes += len(self.kept.rows) * (1 + self.copies)
        try:
            with tapped(used, self.visit, attached - wanted):
                model.run(batch)
        except _Done:
            pass
        return self.put

    def visit(self, name: str, value: Tensor) -> Tensor:
        whole = value.reshape(1 + self.copies, -1, *value.shape[1:])
        before = whole
        if name in self.ports:
            whole = self._assembled(name, whole)
        if name in self.work.tensors:
            whole = _with(whole, 0, self.work.visit(name, whole[0]))
        if name in self.ports:
            self.put[name] = whole[0].clone()
        for write in self.kept.layout.writes.get(name, ()):
            self._written(write, name, whole[0])
        if name in self.kept.layout.stations:
            whole = self._set(name, whole)
        if name.endswith("resid_mid"):
            self.beside[name] = whole
        if name == self.kept.layout.last:
            raise _Done
        return value if whole is before else whole.reshape(value.shape)

    def _assembled(self, name: str, whole: Tensor) -> Tensor:
        """The first copy with each part of a tensor as the copy that reads for it has it."""
        main = whole[0].clone()
        for port, source in self.ports[name]:
            if source:
                own = slice(*(i * main.shape[-1] // port.count for i in (port.index, port.index + 1)))
                main[:, own] = (self.kept.other.nodes[name] if source < 0 else whole[source])[:, own]
        return _with(whole, 0, main)

    def _written(self, write: Write, name: str, own: Tensor) -> None:
        """Keep how far a write of `from` is from this pass's own."""
        other = self.kept.other.nodes
        _check_places(name, own, other[name])
        made = self.streams.write(write, {name: other[name] - own}, self.kept.other)
        so_far = self.less.get(write.tower)
        self.less[write.tower] = made if so_far is None else torch.cat((so_far, made), 1)

    def _set(self, name: str, whole: Tensor) -> Tensor:
        """Give each copy the stream that its parts read."""
        station, choice = self.kept.layout.stations[name], self.found[name]
        if not len(choice.masks):
            return whole
        less = self.less[station.tower]
        gone = (~choice.masks).to(less)
        main, above = whole[0], None
        scale: Tensor | float = 1.0
        if name.endswith("cross.out"):  # the stream behind it has no tensor: it is set by what is added
            block: Block = self.streams.blocks[station.tower, _layer(name)]
            if block.cross is not None and block.cross.write.scale is not None:
                scale = block.cross.write.scale
            above = self.beside[name.replace("cross.out", "resid_mid")]
            main = above[0] + scale * main
        streams = main + torch.einsum("pwd,gw->gpd", less, gone)
        if name == self.kept.layout.last:
            self.put[name] = streams[choice.source[0] - 1]
        if above is not None:
            streams = (streams - above[1 : 1 + len(streams)]) / scale
        return torch.cat((whole[:1], streams, whole[1 + len(streams) :]))


def _with(whole: Tensor, index: int, value: Tensor) -> Tensor:
    new = whole.clone()
    new[index] = value
    return new


def _layer(name: str) -> int:
    return int(name.split("layer[")[1].split("]")[0])


def _check_places(name: str, own: Tensor, other: Tensor) -> None:
    if own.shape != other.shape:
        raise error(
            "CQ786",
            f"`{name}` has {len(other)} positions in `from` and {len(own)} in `to`",
            help="pair inputs that take as many positions, row by row",
        )


def readouts(bench: Bench, masks: Sequence[Tensor]) -> tuple[Tensor, int]:
    """[masks, rows] the readout with the wires of each mask alone; and how many passes of single rows it took.

    Raises:
        DiagnosticError: CQ795, streams that are no sums of what is written into them.
    """
    layout = Layout.of(bench.streams)
    copies = [max(len(streamed(s, m, False).masks) for s in layout.stations.values()) for m in masks]
    found: list[Tensor] = []
    passes = 0
    for rows in bench.chunks(_PLACES, 1 + max(copies, default=0)):
        kept = Kept(bench, rows, layout)
        found.append(torch.stack([kept.readout(m) for m in masks]))
        passes += kept.passes
    return torch.cat(found, 1), passes
