"""Where in a model parts read and write its streams: by the taps at which a pass meets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from causalcircuit.attribution.layout import Norm, Read, Write
from causalcircuit.attribution.streams import Streams
from causalcircuit.diagnostics import error
from causalcircuit.query import Position


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
    """A model's writes and stations, by the taps where they are met.

    Attributes:
        last: where the readout's stream is. wires: how many there are.
    """

    writes: Mapping[str, tuple[Write, ...]]
    stations: Mapping[str, Station]
    last: str
    wires: int

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
        return cls({tap: tuple(found) for tap, found in writes.items()}, stations, last, wire)


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


@dataclass(frozen=True, slots=True, eq=False)
class Regional:
    """A choice of wires that is another one at some positions.

    Attributes:
        base: [wires] those that are kept. regions: the wires [wires] that are the other way round where a place belongs
            to all of some positions.
    """

    base: Tensor
    regions: tuple[tuple[frozenset[Position], Tensor], ...] = ()


Choice = Tensor | Regional
"""Which wires are kept: [wires], at all positions or not."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """How the ports of a station get what they read, under one choice of wires.

    Attributes:
        masks: [copies, writes] the wires kept in each stream that copies take.
        source: of each port the number of its copy from 1 on; 0 where all its wires are kept, -1 where none is.
        turned: [copies, regions, writes] the wires that are the other way round in each region of a choice.
    """

    masks: Tensor
    source: tuple[int, ...]
    turned: Tensor


def streamed(station: Station, kept: Choice, bare: bool) -> Streamed:
    """The distinct streams that a station's ports read; with `bare` worlds, those without a wire take `from`'s."""
    base, regions = (kept, ()) if isinstance(kept, Tensor) else (kept.base, kept.regions)
    every = torch.stack([base, *(mask for _, mask in regions)])  # [1 + regions, wires]
    masks = torch.stack([every[:, p.wires.start : p.wires.stop] for p in station.ports])
    distinct, index = torch.unique(masks, dim=0, return_inverse=True)
    number: dict[int, int] = {}
    chosen: list[int] = []
    for i, row in enumerate(distinct):
        readout = station.ports[0].tensor is None
        whole = not bool(row[1:].any())
        if whole and bool(row[0].all()) and not readout:
            number[i] = 0
        elif whole and bare and not readout and not bool(row[0].any()):
            number[i] = -1
        else:
            chosen.append(i)
            number[i] = len(chosen)
    return Streamed(distinct[chosen, 0], tuple(number[int(i)] for i in index), distinct[chosen, 1:])
