"""Ends of wires that are finer than whole parts: single positions, neurons, experts, what dictionaries find.

A node that is asked for writes some components of one tensor, which enters a stream at one point. It reads by the
queries, keys and values of its head or the input of its MLP; a neuron, an expert and what a dictionary finds read by
themselves: by what the readout's gradient there becomes in the stream that their part reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from causalcircuit.attribution.layout import Event, Norm, Read, Write
from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import ALL, Address, Part, Position, Site, SiteTable, render
from causalcircuit.query.circuits.wires import nodes_of, reads_of

Kind = Literal["embed", "stream", "heads", "cross", "mlp", "projector"]
_BLOCK = re.compile(r"(?:\w+\.)?layer\[(\d+)\]\.(.+)$")
_STREAM = re.compile(r"(?:\w+\.)?resid\[(\d+)\]$")
_WHOLE: dict[str, Kind] = {
    "z": "heads", "attn.out": "heads", "cross.z": "cross", "cross.out": "cross", "mlp.out": "mlp",
    "mlp.neurons": "mlp", "resid_mid": "stream",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A stream itself, where a dictionary finds features in it: `tensor` names it."""

    tower: str
    layer: int
    tensor: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The tensor by which something enters a stream: of which part, in which tower and layer."""

    kind: Kind
    tower: str
    layer: int
    tensor: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some components of a tensor; `at` the only position that counts, where the stream has none like it."""

    tensor: str
    start: int
    stop: int
    entry: Entry
    at: Position | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """What reads at a step: the number of a node of the step's own event, or a piece."""

    node: int | Piece


@dataclass(eq=False)
class Step:
    """A point of the computation, with what is asked for there.

    Attributes:
        event: of the layout, or a point of the stream. writes: pieces, in the order in which their changes are kept.
        reads: ports, each once.
    """

    event: Event | Point
    writes: list[Piece] = field(default_factory=list)
    reads: list[Port] = field(default_factory=list)


def fine(table: SiteTable, model: str, over: Sequence[Site]) -> bool:
    """Whether some nodes are finer than the parts of the model's own layout, at all positions."""
    plain = set(nodes_of(table, model))
    return any(Site(s.address, s.position) not in plain for s in over)


def entry_of(table: SiteTable, site: Site) -> Entry:
    """Where a node enters a stream.

    Raises:
        DiagnosticError: CQ793, at no point that is known here.
    """
    address = site.address
    if address.attached:
        address = table.dictionary(address).address(address.model)
    info = table.info(address)
    if info.tensor == "projector.out":
        return Entry("projector", table.readout_tower.name, -1, info.tensor)
    stream, block = _STREAM.match(info.tensor), _BLOCK.match(info.tensor)
    if address.path[-1].name == "embed" and not site.address.attached:
        return Entry("embed", info.tower, -1, info.tensor)
    if stream is not None and site.address.attached:
        return Entry("stream", info.tower, int(stream.group(1)), info.tensor)
    if block is not None:
        name = "expert" if block.group(2).startswith("expert") else block.group(2)
        kind = _WHOLE.get(name, "mlp" if name == "expert" else None)
        if kind is not None:
            return Entry(kind, info.tower, int(block.group(1)), info.tensor)
    raise unknown(site, "where it enters a stream is not known")


def piece_of(table: SiteTable, site: Site) -> Piece:
    """What a node writes, and where it enters."""
    info = table.info(site.address)
    return Piece(info.tensor, info.start, info.stop, entry_of(table, site))


def unknown(site: Site, why: str) -> DiagnosticError:
    """A node whose wires are not attributed."""
    return error(
        "CQ793",
        f"wires of `{render(site)}` are not attributed: {why}",
        site.span,
        help=(
            "nodes are embeddings, heads, MLPs, neurons, experts, a projector, and what a dictionary finds in what "
            "these write or in the stream",
        ),
    )


def own_read(site: Site) -> bool:
    """Whether a node reads by itself, and by no input of its part."""
    return bool(site.address.attached) or site.address.path[-1].name == "neuron" or is_expert(site.address)


def is_expert(address: Address) -> bool:
    """Whether an address is what an expert writes."""
    return len(address.path) > 1 and address.path[-2].name == "expert"


def reading(table: SiteTable, site: Site, order: str) -> tuple[Entry, bool]:
    """The part by whose input a node reads that reads by itself, and whether it does so place by place.

    Args:
        table: of the model. site: a neuron, an expert, or what a dictionary finds. order: how the parts of the
            node's block stand.

    Raises:
        DiagnosticError: CQ793, it reads two streams, or one that its part does not read.
    """
    entry = entry_of(table, site)
    if site.address.attached:
        dictionary = table.dictionary(site.address)
        given = table.info(dictionary.address(site.address.model, of="reads"))
        if given.tensor != entry.tensor:
            at = f"{table.tower(entry.tower).prefix}layer[{entry.layer}]."
            known = {f"{at}mlp.in"}
            if order == "pre" and not table.tower(entry.tower).cross:
                known.add(f"{at}resid_mid")
            if order == "parallel":
                known.add(f"{table.tower(entry.tower).prefix}resid[{entry.layer}]")
            if entry.kind != "mlp" or given.tensor not in known:
                raise unknown(site, f"`{dictionary.name}` reads `{given.address}`, another stream than its part")
    if entry.kind == "cross":
        raise unknown(site, "its cross-attention reads two streams; a head's queries, keys and values are told apart")
    return entry, entry.kind in ("stream", "mlp")


def steps_of(events: Sequence[Event], pieces: Sequence[Entry]) -> list[Step]:
    """The events of a model in order, with the points of streams at which some nodes enter or read."""
    points = {e.tensor: e for e in pieces if e.kind == "stream" and e.tensor}
    out: list[Step] = []
    done: set[str] = set()

    def point(name: str) -> Iterator[Step]:
        found = points.get(name)
        if found is not None and name not in done:
            done.add(name)
            yield Step(Point(found.tower, found.layer, name))

    for k, event in enumerate(events):
        prefix = f"{event.tower}." if event.tower else ""
        if isinstance(event, Read) and event.kind in ("attn", "mlp"):
            out.extend(point(f"{prefix}resid[{event.layer}]"))
        if isinstance(event, Read) and event.kind == "end":
            last = max((e.layer for e in events if not isinstance(e, Read) and e.tower == event.tower), default=-1) + 1
            out.extend(point(f"{prefix}resid[{last}]"))
        out.append(Step(event))
        after = events[k + 1] if k + 1 < len(events) else None
        attended = (isinstance(event, Write) and event.kind == "heads") or (
            isinstance(event, Norm) and event.after == "attn"
        )
        if attended and not isinstance(after, Norm):
            out.extend(point(f"{prefix}layer[{event.layer}].resid_mid"))
    return out


def step_at(steps: Sequence[Step], entry: Entry, *, read: bool) -> int:
    """The number of the step at which something enters a stream, or where what is read for it is."""
    for k, step in enumerate(steps):
        event = step.event
        if isinstance(event, Point):
            if entry.kind == "stream" and event.tensor == entry.tensor:
                return k
        elif isinstance(event, Write) and not read:
            if (event.kind, event.tower, event.layer) == (entry.kind, entry.tower, entry.layer):
                return k
        elif isinstance(event, Read) and read:
            kind = {"heads": "attn", "mlp": "mlp"}.get(entry.kind)
            if kind is not None and (event.kind, event.tower, event.layer) == (kind, entry.tower, entry.layer):
                return k
            if entry.kind == "projector" and event.reader == "projector":
                return k
    raise LookupError(f"nothing enters a stream at {entry}")


def via(site: Site, entry: Entry) -> Site:
    """The read of the stream through which a node reads that reads by itself, as the language names it."""
    lead = (Part(entry.tower),) if entry.tower else ()
    if entry.kind == "stream":
        mid = entry.tensor.endswith("resid_mid")
        layer = Part("layer", entry.layer if mid else entry.layer - 1)
        path = (*lead, layer, Part("resid_mid" if mid else "resid"))
        return Site(Address(site.address.model, path), site.position)
    if entry.kind == "projector":
        return Site(Address(site.address.model, (Part("projector"), Part("out"))), site.position)
    part = "attn" if entry.kind == "heads" else "mlp"
    at = ALL if entry.kind == "heads" else site.position
    return Site(Address(site.address.model, (*lead, Part("layer", entry.layer), Part(part), Part("in"))), at)


def ports_of(events: Sequence[Event]) -> Mapping[Address, tuple[int, int]]:
    """By the address of a read, the number of its event, and its own there."""
    return {
        node: (k, i)
        for k, event in enumerate(events)
        if isinstance(event, Read)
        for i, node in enumerate(event.nodes)
        if node is not None
    }


def reads_at(table: SiteTable, node: Site) -> tuple[Site, ...]:
    """What a node reads by, where it stands; keys and values at all positions."""
    return () if own_read(node) else reads_of(table, node, ALL)


def follows(read: Site) -> bool:
    """Whether a read takes from where each write stands: keys and values."""
    return read.address.path[-1].name in ("k", "v")
