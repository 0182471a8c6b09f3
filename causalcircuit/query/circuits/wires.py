"""Which wires a model has between nodes: what writes, what reads, and how many wires join them.

Nodes are heads, MLPs, the embedding and the projector of every tower. A node is named by what it writes; it reads by
the queries, keys and values of its head, or the input of its MLP. Under grouped queries heads share keys and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causalcircuit.query.address import ALL, Address, Part, Position
from causalcircuit.query.circuits.routes import place_of
from causalcircuit.query.expr import Site
from causalcircuit.query.relations import relation
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import AddressError, SiteInfo, Tower
from causalcircuit.query.wiring import End, end_of, obstacle, stream_of


def nodes_of(table: SiteTable, model: str) -> tuple[Site, ...]:
    """Every node of a model, at all positions, in order of computation."""
    return tuple(Site(Address(model, path), ALL) for tower in table.towers for path in _nodes(table, tower))


def _nodes(table: SiteTable, tower: Tower) -> Iterator[tuple[Part, ...]]:
    lead = (Part(tower.name),) if tower.name else ()
    yield (*lead, Part("embed"))
    if table.projector and tower is table.readout_tower:
        yield Part("projector"), Part("out")
    for i in range(tower.layers):
        block = (*lead, Part("layer", i))
        for across in ((), (Part("cross"),)) if tower.cross else ((),):
            for j in range(tower.heads):
                yield (*block, *across, Part("head", j), Part("out"))
        yield (*block, Part("mlp"), Part("out"))


def shared_in(table: SiteTable) -> dict[str, int]:
    """By tower, how many query heads read one head of keys and values, where it is more than one."""
    return {t.name: t.heads // t.groups for t in table.towers if t.groups != t.heads}


def reads_of(table: SiteTable, node: Site, at: Position | None = None) -> tuple[Site, ...]:
    """What a node reads by: its queries (or its MLP's input) where it stands, its keys and values at `at`."""
    place = place_of(node)
    if place is None:
        return ()
    (tower, layer, part), head, what = place
    if what == "both":
        return (node,)
    lead = (*((Part(tower),) if tower else ()), Part("layer", layer))
    model, elsewhere = node.address.model, at or node.position
    if part == "mlp":
        return (Site(Address(model, (*lead, Part("mlp"), Part("in"))), node.position),)
    across = (Part("cross"),) if part == "cross" else ()
    own = table.tower(tower)
    heads = [head.index] if head is not None and isinstance(head.index, int) else list(range(own.heads))
    out: dict[Site, None] = {}
    for j in heads:
        out[Site(Address(model, (*lead, *across, Part("head", j), Part("q"))), node.position)] = None
    for x in "kv":
        for j in heads:
            owner = Part("head", j) if own.groups == own.heads else Part("kv", j // (own.heads // own.groups))
            out[Site(Address(model, (*lead, *across, owner, Part(x))), elsewhere)] = None
    return tuple(out)


def writes_of(table: SiteTable, read: Site) -> tuple[Site, ...]:
    """The nodes that a read belongs to, where they write."""
    place = place_of(read)
    if place is None:
        return ()
    (tower, layer, part), head, what = place
    if what not in ("q", "k", "v", "in"):
        return (read,) if what == "both" else ()
    lead = (*((Part(tower),) if tower else ()), Part("layer", layer))
    model = read.address.model
    if part == "mlp":
        return (Site(Address(model, (*lead, Part("mlp"), Part("out"))), read.position),)
    across = (Part("cross"),) if part == "cross" else ()
    own = table.tower(tower)
    each = own.heads // own.groups
    heads = range(own.heads)
    if head is not None and isinstance(head.index, int):
        several = each if head.name == "kv" else 1
        heads = range(head.index * several, (head.index + 1) * several)
    at = ALL if what in ("k", "v") else read.position
    return tuple(Site(Address(model, (*lead, *across, Part("head", j), Part("out"))), at) for j in heads)


def joins(table: SiteTable, source: Site, target: Site) -> bool:
    """Whether a wire leads from a write to a read, positions included."""
    info, end = table.info(source.address), end_of(table, target)
    if obstacle(table, info, end):
        return False
    stand = end.site.stand if end.site is not None else ""
    return info.stand != stand or relation(source.position, target.position) != "apart"


def count_wires(table: SiteTable, model: str, over: Iterable[Site] = ()) -> int:
    """How many wires there are between nodes (all of the model's where none are named), and to the readout."""
    nodes = tuple(over) or nodes_of(table, model)
    sources: dict[tuple[str, str, int], tuple[SiteInfo, int]] = {}
    for site in nodes:
        info = table.info(site.address)
        key = info.tower, info.tensor, info.rank
        sources[key] = info, sources.get(key, (info, 0))[1] + 1
    targets: dict[Site, None] = {}
    for site in nodes:
        targets.update(dict.fromkeys(reads_of(table, Site(site.address, ALL), ALL)))
    ends: dict[str, tuple[End, int]] = {}
    for read in targets:
        try:
            found = end_of(table, read)
        except AddressError:  # pragma: no cover - a node of the table has its reads
            continue
        key_of = "" if found.site is None else found.site.tensor
        ends[key_of] = found, ends.get(key_of, (found, 0))[1] + 1
    last = table.readout_tower.name
    out = sum(n for info, n in sources.values() if stream_of(table, info) == last)
    for info, many in sources.values():
        out += many * sum(n for end, n in ends.values() if not obstacle(table, info, end))
    return out
