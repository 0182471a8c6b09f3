"""Where the nodes of a circuit stand in a picture: their tower, their row in it, and the port that a wire enters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import causalcircuit.query.towers as ranks
from causalcircuit.query.address import Address, Part
from causalcircuit.query.expr import Site

_PORTS = ("q", "k", "v")
_ENDS = ("out", "in", "pattern", "score", *_PORTS)
"""Last steps of an address that name a side of a part rather than another part."""
_TOWERS = ("encoder", "decoder", "vision", "audio")
_LEVELS = {"vision": 0, "audio": 0, "encoder": 0, "projector": 1}
_LAST = 1_000_000
"""The rank of what stands behind the last block."""
_SUBS = {"head": ranks.Z, "kv": ranks.QKV, "attn": ranks.ATTN, "router": ranks.ROUTER, "expert": ranks.EXPERT}
_KINDS = {"head": "head", "kv": "kv", "attn": "attn", "router": "router", "expert": "expert", "projector": "projector"}


@dataclass(frozen=True, slots=True)
class Place:
    """One part of a model as a picture shows it; a head's q, k, v and output are one part.

    Attributes:
        part: the address without the side that is read or written: `gpt2.layer[1].head[3]`.
        kind: `head`, `kv`, `mlp`, `attn`, `neuron`, `expert`, `router`, `embed`, `projector`, `feature`, `error`,
            `stream`, `out`, `module`.
        tower: as the address names it, `projector` for the projector; empty for plain text.
        layer: its block; `None` outside of blocks.
        rank: its row within the tower, counted upwards; `None` where only the wires tell (dictionaries, modules).
        cross: whether it belongs to a cross-attention. number: which head, neuron, feature.
        port: the side that a wire into it enters: `q`, `k`, `v`; else empty.
    """

    part: str
    kind: str
    tower: str
    layer: int | None
    rank: float | None
    cross: bool = False
    number: int | None = None
    port: str = ""

    @property
    def level(self) -> int:
        """How far up its tower stands among towers."""
        return _LEVELS.get(self.tower, 2)


@lru_cache(1 << 14)
def place(site: Site) -> Place:
    """Where a site stands."""
    address = site.address
    path = address.path
    if address.attached:
        last = path[-1]
        kind = "error" if last.name == "error" else "feature"
        return Place(str(address), kind, "", None, None, number=_number(last))
    if address.module is not None:
        return Place(str(Address(address.model, path[:1])), "module", "", None, None)
    tower = path[0].name if path and path[0].name in _TOWERS and path[0].index is None else ""
    inner = path[1:] if tower else path
    port = ""
    if len(inner) > 1 and inner[-1].name in _ENDS and not (tower and len(inner) == 1):
        port = inner[-1].name if inner[-1].name in _PORTS else ""
        inner = inner[:-1]
    part = str(Address(address.model, ((path[0],) if tower else ()) + inner))
    layer = _number(inner[0]) if inner and inner[0].name == "layer" else None
    if layer is None:
        return _outside(part, tower, inner)
    return _inside(part, tower, layer, inner[1:], port)


def _outside(part: str, tower: str, inner: tuple[Part, ...]) -> Place:
    name = inner[0].name if inner else ""
    if name == "projector":
        return Place(part, "projector", "projector", None, 0.0)
    if name == "embed":
        return Place(part, "embed", tower, None, -1.0)
    return Place(part, "out", tower, None, _LAST)


def _inside(part: str, tower: str, layer: int, inner: tuple[Part, ...], port: str) -> Place:
    base = layer * ranks.BLOCK
    names = [p.name for p in inner]
    cross = names[:1] == ["cross"]
    last = inner[-1] if inner else Part("resid")
    if last.name == "neuron":
        return Place(part, "neuron", tower, layer, base + ranks.NEURON, number=_number(last))
    if last.name == "mlp":
        return Place(part, "mlp", tower, layer, base + ranks.MLP)
    if last.name == "cross":
        return Place(part, "attn", tower, layer, base + ranks.CROSS, True)
    if last.name in _KINDS:
        sub = ranks.CROSS_Z if cross else _SUBS[last.name]
        sub = ranks.Z if sub == ranks.QKV else sub  # shared keys and values stand beside the heads
        return Place(part, _KINDS[last.name], tower, layer, base + sub, cross, _number(last), port)
    sub = {"resid_in": 0, "resid_mid": ranks.MID}.get(last.name, ranks.BLOCK - 1)
    return Place(part, "stream", tower, layer, base + sub)


def _number(part: Part) -> int | None:
    return part.index if isinstance(part.index, int) else None
