"""What of a model writes into its streams and what reads them, in order of computation. No torch.

A stream belongs to a tower. Heads, MLPs, embeddings and a projector write into it; queries, keys and values of heads,
MLPs, a projector and the readout read it. A wire leads from a write to a read of the same stream that comes later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from causalcircuit.query import Address, Part, SiteTable, Tower

WriteKind = Literal["embed", "heads", "cross", "mlp", "projector"]
ReadKind = Literal["attn", "cross", "mlp", "end"]


@dataclass(frozen=True, slots=True)
class Write:
    """Nodes that write at one point of a stream: all heads of an attention, an MLP, the embedding, the projector."""

    kind: WriteKind
    tower: str
    layer: int
    nodes: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Nodes that read a stream at one point: queries, keys and values of an attention, or an MLP.

    `end` is what reads the stream behind the last block: the readout (an address of `None`), the projector, or the
    keys and values of another tower's cross-attention in one of its layers.
    """

    kind: ReadKind
    tower: str
    layer: int
    nodes: tuple[Address | None, ...]
    reader: str = ""
    """Of an `end`: the tower whose cross-attention it is, `projector`, or empty for the readout."""


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm of the stream itself, behind a part of a block (BERT, BART)."""

    after: Literal["attn", "cross", "mlp"]
    tower: str
    layer: int


Event = Write | Read | Norm


def events(table: SiteTable, model: str, order: Mapping[str, tuple[str, ...]]) -> tuple[Event, ...]:
    """All writes and reads in order: tower by tower, block by block.

    Args:
        table: the model's sites. model: its declared name.
        order: by tower, how the parts of each block stand: `pre`, `parallel` or `post`.
    """
    return tuple(e for tower in table.towers for e in _tower(table, tower, model, order[tower.name]))


def _tower(table: SiteTable, tower: Tower, model: str, order: tuple[str, ...]) -> Iterator[Event]:
    lead = (Part(tower.name),) if tower.name else ()

    def at(*path: Part) -> Address:
        return Address(model, (*lead, *path))

    yield Write("embed", tower.name, -1, (at(Part("embed")),))
    if table.projector and tower is table.readout_tower:
        yield Write("projector", tower.name, -1, (Address(model, (Part("projector"), Part("out"))),))
    for i in range(tower.layers):
        layer = Part("layer", i)
        heads = tuple(at(layer, Part("head", j), Part("out")) for j in range(tower.heads))
        attn = Read("attn", tower.name, i, tuple(_ports(tower, at, i, ())))
        mlp = Read("mlp", tower.name, i, (at(layer, Part("mlp"), Part("in")),))
        yield attn
        if order[i] == "parallel":
            yield mlp
        yield Write("heads", tower.name, i, heads)
        if order[i] == "post":
            yield Norm("attn", tower.name, i)
        if tower.cross:
            yield Read("cross", tower.name, i, tuple(_queries(tower, at, i)))
            across = tuple(at(layer, Part("cross"), Part("head", j), Part("out")) for j in range(tower.heads))
            yield Write("cross", tower.name, i, across)
            if order[i] == "post":
                yield Norm("cross", tower.name, i)
        if order[i] != "parallel":
            yield mlp
        yield Write("mlp", tower.name, i, (at(layer, Part("mlp"), Part("out")),))
        if order[i] == "post":
            yield Norm("mlp", tower.name, i)
    yield from _ends(table, tower, model)


def _ports(tower: Tower, at: _At, layer: int, across: tuple[Part, ...]) -> Iterator[Address]:
    """Queries a head, then keys, then values of each group."""
    block = Part("layer", layer)
    yield from (at(block, *across, Part("head", j), Part("q")) for j in range(tower.heads))
    yield from _keys(tower, at, layer, across)


def _queries(tower: Tower, at: _At, layer: int) -> Iterator[Address]:
    yield from (at(Part("layer", layer), Part("cross"), Part("head", j), Part("q")) for j in range(tower.heads))


def _keys(tower: Tower, at: _At, layer: int, across: tuple[Part, ...]) -> Iterator[Address]:
    # Where every head has keys of its own they carry its name, else that of the group which shares them.
    owner = "head" if tower.groups == tower.heads else "kv"
    block = Part("layer", layer)
    for which in "kv":
        yield from (at(block, *across, Part(owner, j), Part(which)) for j in range(tower.groups))


def _ends(table: SiteTable, tower: Tower, model: str) -> Iterator[Read]:
    if tower is table.readout_tower:
        yield Read("end", tower.name, tower.layers, (None,))
        return
    if table.projector and tower.modality != "text":
        read = Address(model, (Part("projector"), Part("out")))
        yield Read("end", tower.name, tower.layers, (read,), "projector")
    for other in table.towers:
        if other.cross and table.source(other) is tower:
            lead = (Part(other.name),) if other.name else ()

            def at(*path: Part, lead: tuple[Part, ...] = lead) -> Address:
                return Address(model, (*lead, *path))

            for i in range(other.layers):
                keys = tuple(_keys(other, at, i, (Part("cross"),)))
                yield Read("end", tower.name, i, keys, other.name)


class _At(Protocol):
    """Makes the address of a path inside a tower."""

    def __call__(self, *path: Part) -> Address: ...
