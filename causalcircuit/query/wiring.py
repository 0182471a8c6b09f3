"""Which wires a model has: what writes into a stream, what reads from it, and what is written between the two.

A wire `(A -> B)` is the direct route from a write to a read: along the stream, past every other part of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import causalcircuit.query.towers as ranks
from causalcircuit.query.address import ALL, Address, Part, Position
from causalcircuit.query.algebra import is_text, walk
from causalcircuit.query.expr import (
    Binary,
    Call,
    Column,
    Expr,
    Generated,
    Items,
    Negative,
    Number,
    Output,
    Readout,
    Similarity,
    Site,
    Text,
    Wire,
)
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import AddressError, SiteInfo, Tower

Sublayer = tuple[str, int, str]
"""A tower, a layer, and which part of it: `attn`, `cross` or `mlp`."""
Obstacle = Literal["", "past", "apart"]

_QKV = ("head.q", "head.k", "head.v", "kv.k", "kv.v")
_READS = frozenset((*_QKV, *(f"cross.{x}" for x in _QKV), "attn.in", "mlp.in", "resid_in", "resid_mid", "resid"))
_READS |= {"final_norm", "out", "projector.out"}
_WRITES = frozenset(("embed", "head.out", "attn.out", "cross.head.out", "cross.out", "mlp.out", "mlp.neuron"))
_WRITES |= {"expert.out", "projector.out"}
_STREAM = frozenset(["resid_in", "resid_mid", "resid", "final_norm", "out"])
_SCALARS = (Binary, Negative, Call, Number, Column, Text, Items)


@dataclass(frozen=True, slots=True)
class End:
    """Where a wire ends.

    Attributes:
        towers: whose streams are read. site: what is read there; `None` for a readout, which reads the last stream.
        head: under grouped queries, the output of the one head whose read of the shared `site` it is.
        position: where it reads; `None` for a readout that has no position.
    """

    towers: tuple[str, ...]
    site: SiteInfo | None
    head: SiteInfo | None
    position: Position | None


def kind_of_address(address: Address) -> str:
    """What an address names, without tower and numbers: `head.q`, `cross.kv.k`, `mlp.out`, `embed`."""
    names = [p.name for p in address.path]
    if "layer" in names:
        return ".".join(names[names.index("layer") + 1 :])
    return ".".join(names) if names[:1] == ["projector"] else names[-1] if names else ""


def writes(table: SiteTable, site: Site) -> bool:
    """Whether a site is written into a stream; what a dictionary finds in the stream itself counts too."""
    address = site.address
    if address.module is not None:
        return False
    if address.attached:
        base = Site(table.dictionary(address).address(address.model), site.position)
        return writes(table, base) or kind_of_address(base.address) in ("resid_in", "resid_mid", "resid")
    kind = kind_of_address(address)
    return kind in _WRITES or (kind == "resid_in" and table.info(address).rank == 0)


def reads(target: Expr) -> bool:
    """Whether a wire may end in `target`, by its form."""
    if isinstance(target, Site):
        address = target.address
        return not address.attached and address.module is None and kind_of_address(address) in _READS
    found = list(walk(target, worlds=False))
    plain = all(isinstance(e, (*_SCALARS, Output)) and not _textual(e) for e in found)
    return plain and bool(outputs(target)) and len({o.model for o in outputs(target)}) == 1


def _textual(e: Expr) -> bool:
    """Whether it is a generated text, or a readout that scores one."""
    return isinstance(e, Generated) or (isinstance(e, Readout) and is_text(e.answer))


def outputs(target: Expr) -> tuple[Output, ...]:
    """The readouts that a wire ends in."""
    return tuple(dict.fromkeys(e for e in walk(target, worlds=False) if isinstance(e, Output)))


def model_of_wire(wire: Wire) -> tuple[str, str]:
    """The models of both ends."""
    source = wire.source.address.model if isinstance(wire.source, Site) else ""
    if isinstance(wire.target, Site):
        return source, wire.target.address.model
    return source, next((o.model for o in outputs(wire.target)), "")


def ends_of(table: SiteTable, address: Address) -> tuple[Address, ...]:
    """The reads that a bare part stands for: q, k and v of a head, the input of an MLP or attention; else nothing.

    Raises:
        AddressError: the model has no such part.
    """
    path, bare = address.path, kind_of_address(address)
    if bare in ("head", "cross.head"):
        found = table.expand(Address(address.model, (*path, Part("q"))))
        return tuple(Address(a.model, (*a.path[:-1], Part(x))) for a in found for x in "qkv")
    if bare in ("mlp", "attn"):
        return table.expand(Address(address.model, (*path, Part("in"))))
    if bare == "projector":
        return table.expand(Address(address.model, (*path, Part("out"))))
    return ()


def end_of(table: SiteTable, target: Expr) -> End:
    """Where a wire into `target` ends.

    Raises:
        AddressError: the model has no such site.
    """
    if not isinstance(target, Site):
        found = outputs(target)
        every = any(isinstance(o, Similarity) for o in found)
        names = tuple(t.name for t in table.towers) if every else (table.readout_tower.name,)
        places = {getattr(o, "position", None) for o in found}
        return End(names, None, None, places.pop() if len(places) == 1 else None)
    info, head = read_info(table, target.address)
    crossed = info.rank % ranks.BLOCK == ranks.CROSS_QKV and info.stand != info.tower
    return End((info.stand if crossed else info.tower,), info, head, target.position)


def read_info(table: SiteTable, address: Address) -> tuple[SiteInfo, SiteInfo | None]:
    """The tensor that a read is, and the output of the one head that reads it where others share it.

    Raises:
        AddressError: the model has no such site.
    """
    shared = shared_of(table, address)
    if shared is None:
        return table.info(address), None
    return table.info(shared), table.info(Address(address.model, (*address.path[:-1], Part("out"))))


def shared_of(table: SiteTable, address: Address) -> Address | None:
    """Under grouped queries `kv[j].k` for `head[i].k`; `None` for any other address."""
    path = address.path
    if len(path) < 2 or path[-2].name != "head" or path[-1].name not in ("k", "v"):
        return None
    out = table.info(Address(address.model, (*path[:-1], Part("out"))))
    tower = table.tower(out.tower)
    head = path[-2].index
    if tower.groups == tower.heads or not isinstance(head, int):
        return None
    return Address(address.model, (*path[:-2], Part("kv", head // (tower.heads // tower.groups)), path[-1]))


def sublayer(table: SiteTable, info: SiteInfo) -> Sublayer | None:
    """The part of a block that a tensor stands in, its write included; `None` for the stream."""
    if info.tensor == "projector.out" or info.rank < 0 or not 0 <= info.layer < table.tower(info.tower).layers:
        return None
    rank = info.rank % ranks.BLOCK
    if rank in (0, ranks.MID):
        return None
    part = "attn" if rank <= ranks.ATTN else "cross" if rank <= ranks.CROSS else "mlp"
    return info.tower, info.layer, part


def write_of(table: SiteTable, model: str, part: Sublayer) -> Address:
    """What a part of a block writes."""
    tower, layer, name = part
    lead = (Part(tower),) if tower else ()
    return Address(model, (*lead, Part("layer", layer), Part(name), Part("out")))


def stream_of(table: SiteTable, info: SiteInfo) -> str:
    """The tower whose stream a site writes into."""
    return table.readout_tower.name if info.tensor == "projector.out" else info.tower


def obstacle(table: SiteTable, source: SiteInfo, end: End) -> Obstacle:
    """Why there is no wire: `past`, the end reads before the source writes; `apart`, it reads something else."""
    here = stream_of(table, source)
    order = [t.name for t in table.towers]
    if here not in end.towers:
        return "past" if all(order.index(here) > order.index(t) for t in end.towers) else "apart"
    if end.site is None or end.site.tower != here or before(table, end, source):
        return ""
    beside = end.site.layer == source.layer and source.rank < end.site.rank
    return "apart" if beside else "past"


def before(table: SiteTable, end: End, info: SiteInfo) -> bool:
    """Whether what an end reads may depend on a site."""
    if info.tower in end.towers and info.tensor != "projector.out":
        return end.site is None or end.site.tower != info.tower or table.depends(end.site, info)
    if end.site is not None and end.site.tensor == info.tensor:
        return False
    order = [t.name for t in table.towers]
    return any(order.index(info.tower) < order.index(t) for t in end.towers)


def written_between(table: SiteTable, sources: Sequence[SiteInfo], end: End) -> Iterator[Sublayer]:
    """The parts whose writes lie between some source and the end, the sources' own parts among them."""
    for name in dict.fromkeys(stream_of(table, s) for s in sources):
        tower = table.tower(name)
        for layer in range(tower.layers):
            for part in ("attn", "cross", "mlp") if tower.cross else ("attn", "mlp"):
                found = table.info(write_of(table, "", (name, layer, part)))
                if before(table, end, found) and any(table.depends(found, s) or _own(table, found, s) for s in sources):
                    yield name, layer, part


def _own(table: SiteTable, write: SiteInfo, source: SiteInfo) -> bool:
    return sublayer(table, write) == sublayer(table, source)


def siblings(table: SiteTable, model: str, part: Sublayer) -> tuple[Address, ...]:
    """Sites of a part which, held, hold all that it writes but for what one of its own sources adds."""
    tower, layer, name = part
    lead = (*((Part(tower),) if tower else ()), Part("layer", layer))
    if name == "mlp":
        return (Address(model, (*lead, Part("mlp"), Part("in"))),)
    heads = range(table.tower(tower).heads)
    across = (Part("cross"),) if name == "cross" else ()
    return tuple(Address(model, (*lead, *across, Part("head", j), Part("out"))) for j in heads)


def held_at(table: SiteTable, end: End) -> Position:
    """Where the writes between are held: a read takes its own position of the stream, if it has one there."""
    if end.position is None:
        return ALL
    stand = table.readout_tower.name if end.site is None else end.site.stand
    return end.position if (stand,) == end.towers else ALL


def nearest(table: SiteTable, wire: Wire, source: SiteInfo, end: End) -> str:
    """The wire out of the same source that exists and ends closest, for a message; empty where there is none."""
    if not isinstance(wire.source, Site):
        return ""
    start, model = f"({wire.source.address} @ {wire.source.position} -> ", wire.source.address.model
    here = table.tower(stream_of(table, source))
    if obstacle(table, source, end) == "apart" and here.name not in end.towers:
        if table.projector and here.modality != "text":
            return f"{start}{model}.projector @ all)"
        crossing = next((t for t in table.towers if t.cross and table.source(t) is here), None)
        if crossing is not None:
            layer = max(end.site.layer, 0) if end.site is not None and end.site.layer < crossing.layers else 0
            return f"{start}{model}.{crossing.prefix}layer[{layer}].cross.head[0].k @ all)"
    at = f" @ {wire.source.position})"
    for address in _later(here, model, wire.target, source):
        try:
            if not obstacle(table, source, end_of(table, Site(address, ALL))):
                return f"{start}{address}{at}"
        except AddressError:
            continue
    if here is table.readout_tower and table.readout == "vocabulary":
        return f"{start}{model}.logit[…] @ last)"
    return f"{start}{model}.{here.prefix}{'out' if 'final_norm' in dict(here.missing) else 'final_norm'}{at}"


def _later(tower: Tower, model: str, target: Expr, source: SiteInfo) -> Iterator[Address]:
    """The same read in later layers of a tower, else the first read of any kind."""
    lead = (Part(tower.name),) if tower.name else ()
    if isinstance(target, Site) and re.match(rf"{re.escape(tower.prefix)}layer\[", target.address.local):
        path = target.address.path
        at = next(i for i, p in enumerate(path) if p.name == "layer")
        for layer in range(tower.layers):
            yield Address(model, (*path[:at], replace(path[at], index=layer), *path[at + 1 :]))
    for layer in range(max(source.layer, 0), tower.layers):
        yield Address(model, (*lead, Part("layer", layer), Part("mlp"), Part("in")))


def in_stream(target: Expr) -> bool:
    """Whether a wire ends where other wires may pass: in the stream itself, or in what q, k and v are made of."""
    return isinstance(target, Site) and kind_of_address(target.address) in (*_STREAM, "attn.in")
