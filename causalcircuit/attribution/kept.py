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
from causalcircuit.attribution.layout import Write
from causalcircuit.attribution.passes import Recorded
from causalcircuit.attribution.stations import Choice, Layout, Port, Streamed, streamed
from causalcircuit.diagnostics import error
from causalcircuit.engine.formulas import in_world
from causalcircuit.engine.passes import Pass, feeds_in
from causalcircuit.engine.values import evaluate
from causalcircuit.models import Block, needed, tapped
from causalcircuit.query import ALL, Expr, Position, World
from causalcircuit.query.wiring import outputs

_PLACES = 4096
"""Positions of one pass, copies included."""
_INNER = (".q", ".k", ".v", ".z", ".pattern", ".mlp.in", ".mlp.out", ".mlp.neurons", "resid[0]")
"""Tensors whose assignment in `to` leaves the stream the sum of what is written into it."""


Regions = tuple[tuple[frozenset[Position], Tensor], ...]


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
        grounds = self.bench.streams.grounds
        self.grounds = grounds if grounds is not None and grounds.answered else None
        self.bare = not run.edits and not start.edits and self.grounds is None

    def readout(self, kept: Choice) -> Tensor:
        """[rows] the readout with some wires alone."""
        return self.values(kept, (self.bench.rows.question.readout,))[0]

    def values(self, kept: Choice, parts: Sequence[Expr], *, brief: bool = True) -> Tensor:
        """[parts, rows] parts of the readout with some wires alone.

        Args:
            kept: which. parts: what is read. brief: parts without a kept wire take what they read in `from`.
        """
        found = {tap: streamed(s, kept, brief and self.bare) for tap, s in self.layout.stations.items()}
        with torch.no_grad():
            fixed = _Run(self, found, () if isinstance(kept, Tensor) else kept.regions).fixed()
        rows = self.bench.rows
        self.passes += len(self.rows)
        taps = [rows.model.taps[n] for n in fixed]
        rows.run(rows.question.end, self.rows, taps, change=lambda name, value, _: fixed.get(name, value))
        return self._read(rows.question.end, parts)

    def check_ends(self, readout: Expr) -> None:
        """With all wires kept the pass is the world `to`, with none of them the readout is that of `from`.

        Raises:
            DiagnosticError: CQ797, it is not: the sums do not add up to this model.
        """
        rows = self.bench.rows
        count = self.layout.wires
        parts = (readout, *dict.fromkeys(outputs(readout)))  # a difference of large numbers is as exact as these are
        for world, mask, said in (
            (rows.question.end, torch.ones(count, dtype=torch.bool), "all wires kept, and in `to`"),
            (rows.question.start, torch.zeros(count, dtype=torch.bool), "no wire kept, and in `from`"),
        ):
            mine = self.values(mask, parts, brief=False)  # every stream a sum
            rows.run(world, self.rows, ())
            own = self._read(world, parts)
            self.passes += len(self.rows)
            near = torch.finfo(rows.model.dtype).eps ** 0.6 * (1 + float(own.abs().max()))
            apart = float((mine - own)[0].abs().max())
            if not apart <= near:
                raise error(
                    "CQ797",
                    f"kept wires do not add up to `{rows.model.ref.name}`: with {said}, the readout differs by "
                    f"{apart:.3g}",
                    rows.model.ref.span,
                    help=(
                        "assign single wires: `do((A -> B) = (A | w))`",
                        "in half precision, `dtype = float32` in the settings of the model",
                    ),
                )

    def _read(self, world: World, parts: Sequence[Expr]) -> Tensor:
        """[parts, rows] what the last pass of a world gave."""
        reads, n = self.bench.rows.reads, len(self.rows)
        return torch.stack([evaluate(in_world(p, world), reads).data.detach().double().cpu().expand(n) for p in parts])


class _Run:
    """One forward pass of the rows and their copies."""

    def __init__(self, kept: Kept, found: Mapping[str, Streamed], regions: Regions) -> None:
        self.kept, self.found, self.streams = kept, found, kept.bench.streams
        self.regions = regions
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
        if self.kept.grounds is not None:  # what is written at the tokens of an answer is no part of a wire
            made = made * self.kept.grounds.mask(write.tower, ALL, self.kept.other)[:, None, None]
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
        if bool(choice.turned.any()):
            own = choice.turned.any(2).any(0).nonzero()[:, 0].tolist()  # others may be places of another tower
            inside = self._inside(station.tower, own).to(gone)  # [regions, places]
            turned = torch.einsum("rp,grw->gpw", inside, choice.turned[:, own].to(gone)) > 0
            streams = main + torch.einsum("pwd,gpw->gpd", less, (gone[:, None].bool() ^ turned).to(less))
        else:
            streams = main + torch.einsum("pwd,gw->gpd", less, gone)
        if name == self.kept.layout.last:
            self.put[name] = streams[choice.source[0] - 1]
        if above is not None:
            streams = (streams - above[1 : 1 + len(streams)]) / scale
        return torch.cat((whole[:1], streams, whole[1 + len(streams) :]))

    def _inside(self, tower: str, own: Sequence[int]) -> Tensor:
        """[regions, places] which places of a tower belong to each of some regions."""
        grounds, here = self.kept.bench.streams.grounds, self.kept.other
        if grounds is None:
            raise TypeError("a question whose positions were not looked for")
        return torch.stack(
            [torch.stack([grounds.mask(tower, p, here) for p in self.regions[i][0]]).all(0) for i in own]
        )


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


_CHECKED = 4
"""Rows on which the ends of a question are held against plain passes."""


def prepared(bench: Bench, masks: Sequence[Choice], places: int = _PLACES) -> tuple[Layout, list[range], int]:
    """Where the parts of a model read, and the rows of each pass with such wires; both ends of the question checked.

    Returns:
        The layout, the rows, and the passes of single rows that the check took.

    Raises:
        DiagnosticError: CQ795, streams that are no sums of what is written into them; CQ797, sums that do not add up.
    """
    layout = Layout.of(bench.streams)
    some = Kept(bench, range(min(_CHECKED, bench.rows.data.n)), layout)
    some.check_ends(bench.rows.question.readout)
    copies = [max(len(streamed(s, m, False).masks) for s in layout.stations.values()) for m in masks]
    return layout, list(bench.chunks(places, 1 + max(copies, default=0))), some.passes


def readouts(bench: Bench, masks: Sequence[Choice]) -> tuple[Tensor, int]:
    """[masks, rows] the readout with the wires of each mask alone; and how many passes of single rows it took.

    Raises:
        DiagnosticError: as `prepared`.
    """
    layout, chunks, passes = prepared(bench, masks)
    found: list[Tensor] = []
    for rows in chunks:
        kept = Kept(bench, rows, layout)
        found.append(torch.stack([kept.readout(m) for m in masks]))
        passes += kept.passes
    return torch.cat(found, 1), passes
