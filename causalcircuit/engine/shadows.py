"""The shadow of a world: the world in which the end of a wire reads what it reads in this one. No torch.

A wire's source is there what the wire says, and each part of the model that writes between the two is held at the value
that it has in this world. See decision 13.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from causalcircuit.engine.formulas import in_world, model_of, target_model
from causalcircuit.engine.wire_ends import WireEnds, site_of, wire_of, wired
from causalcircuit.query import (
    ALL,
    FACTUAL,
    Address,
    Assignment,
    Binary,
    Counterfactual,
    Expr,
    Position,
    Site,
    SiteInfo,
    SiteTable,
    Wire,
    World,
    tensor_of,
    world_of,
)
from causalcircuit.query.wiring import (
    End,
    Sublayer,
    held_at,
    shared_of,
    siblings,
    sublayer,
    write_of,
    written_between,
)

Closed = dict[Sublayer | None, tuple[Address, ...]]
"""Parts of a block whose writes are held, with what is held of each."""


class Writer(Protocol):
    """Writes out the values of a world (see `wires.Wires`)."""

    def explicit(self, a: Assignment, world: World, *, natural: bool = False) -> Expr:
        """The value of an assignment in a world; with `natural`, reads of its own target with their world too."""
        ...

    def settled(self, world: World, leaf: Expr) -> World:
        """The world in which a leaf has the value that it has in this one."""
        ...


@dataclass
class Shadows:
    """Makes shadows, each once."""

    _places: WireEnds
    _write: Writer
    _shadows: dict[tuple[object, ...], World] = field(default_factory=dict)
    _alive: list[World] = field(default_factory=list)
    _between: dict[tuple[object, ...], tuple[list[Address], Closed]] = field(default_factory=dict)
    _frozen: dict[tuple[object, ...], Assignment] = field(default_factory=dict)

    def shadow(self, world: World, group: list[Assignment], target: Expr) -> World:
        """The world in which an end reads, of its wires' sources, what the wires say; wires into streams may be left.

        Args:
            world: where it stands. group: the wires into this end. target: a read, or a readout.
        """
        table, end = self._places.table(model_of(target), target), self._places.end(target)
        place = held_at(table, end)
        said = tuple((wire_of(a).source, a.value) for a in group)
        read = () if end.site is None else (end.site.tower, end.site.rank, end.site.layer)
        key = (id(world), end.towers, read, place, said)
        if key not in self._shadows:
            self._alive.append(world)  # so that no other one gets its number
            self._shadows[key] = self._made(world, group, table, end, place)
        return self._shadows[key]

    def _made(self, world: World, group: list[Assignment], table: SiteTable, end: End, place: Position) -> World:
        first = wire_of(group[0])
        model = target_model(first)
        sources = {a: self._places.info(wire_of(a).source) for a in group}
        up = World(tuple(a for a in world.assignments if self._places.upstream(a, model, table, end)), world.span)
        others = [self._places.info(wire_of(a).source) for a in up.assignments if isinstance(a.target, Wire)]
        held, closed = self._held(table, model, list(sources.values()), others, end)
        made: dict[Expr, Assignment] = {}
        for a in up.assignments:
            if not self._said_by(closed, a, model, table) and not _said_anew(a, group, held):
                made[a.target] = self._kept(a, world, table, sources.values())
        for address in held:
            if not any(s.address == address.local for s in sources.values()):
                open_ = sublayer(table, table.info(address)) not in closed
                held_here = self._freeze(
                    Site(address, place, span=first.span), _bare(up, address, table) if open_ else up
                )
                made[held_here.target] = held_here
        for a, info in sources.items():
            source = cast(Site, wire_of(a).source)
            moved = any(table.depends(info, s) for s in sources.values())
            for other in [x for x in made if self._places.within(x, source, info)]:
                del made[other]
            said = Assignment(source, self._write.explicit(a, world), span=a.span)
            if moved and source.position not in (place, ALL):
                said = self._elsewhere_kept(said, up, source, info, world)
                for other in [x for x in made if isinstance(x, Site) and x.address == source.address]:
                    del made[other]
            made[said.target] = self._found_anew(said, world, table, sources.values())
        return World(tuple(made.values()), world.span)

    def _kept(self, a: Assignment, world: World, table: SiteTable, sources: Collection[SiteInfo]) -> Assignment:
        """What a world assigns, as its shadow does."""
        target = a.target
        if isinstance(target, Site) and self._moved(target, table, sources):
            return self._found_anew(
                replace(a, value=self._write.explicit(a, world, natural=True)), world, table, sources
            )
        return replace(a, value=self._write.explicit(a, world))

    def _moved(self, site: Site, table: SiteTable, sources: Collection[SiteInfo]) -> bool:
        """Whether a dictionary reads what the sources move, and describes a part that they do not."""
        info = self._places.info(site)
        return (
            bool(site.address.attached)
            and sublayer(table, info) is not None
            and any(table.depends(info, s) for s in sources)
        )

    def _found_anew(self, a: Assignment, world: World, table: SiteTable, sources: Collection[SiteInfo]) -> Assignment:
        """A node of a dictionary, changed by as much as in the world: what is found in the shadow is something else."""
        site = a.target
        if not isinstance(site, Site) or not self._moved(site, table, sources):
            return a
        found = self._write.explicit(Assignment(site, site, span=a.span), world, natural=True)
        return replace(a, value=Binary("+", site, Binary("-", a.value, found)))

    def _said_by(self, closed: Closed, a: Assignment, model: str, table: SiteTable) -> bool:
        """Whether what is held of a part says what an assignment says: all but what comes after the pieces held."""
        inside = site_of(a)
        if inside is None or inside.address.model != model:
            return False
        info = replace(self._places.info(inside), step=0)  # what a dictionary finds in a piece is said by that piece
        part = sublayer(table, info)
        return part in closed and not any(table.depends(info, table.info(piece)) for piece in closed[part])

    def _freeze(self, site: Site, world: World) -> Assignment:
        """A site set to its value in a world; wires out of one node into many share most of these."""
        key = (site, site.span, world)
        if key not in self._frozen:
            read = in_world(Counterfactual(site, self._write.settled(world, site), span=site.span), FACTUAL)
            self._frozen[key] = Assignment(site, read, span=site.span)
        return self._frozen[key]

    def _held(
        self, table: SiteTable, model: str, sources: list[SiteInfo], others: list[SiteInfo], end: End
    ) -> tuple[list[Address], Closed]:
        """What `_find_held` finds, once for all ends that stand at one point of the computation."""
        stand = None if end.site is None else (end.site.tower, end.site.rank, end.site.layer, end.site.tensor)
        key = (model, tuple(sources), tuple(others), end.towers, stand)
        if key not in self._between:
            self._between[key] = self._find_held(table, model, sources, others, end)
        return self._between[key]

    def _find_held(
        self, table: SiteTable, model: str, sources: list[SiteInfo], others: list[SiteInfo], end: End
    ) -> tuple[list[Address], Closed]:
        """What is held between some sources and an end, and of parts without a source, what is held of each.

        A part that the source of another wire stands in is held piece by piece, for that wire may end in the stream.
        """
        held: list[Address] = []
        closed: Closed = {}
        for part in written_between(table, sources, end):
            inside = [s for s in sources if sublayer(table, s) == part]
            address = write_of(table, model, part)
            write = table.info(address)
            if not inside:
                pieces = any(sublayer(table, s) == part and s.tensor != write.tensor for s in others)
                closed[part] = siblings(table, model, part) if pieces else (address,)
                held.extend(closed[part])
            elif any(table.depends(write, s) for s in sources if s not in inside) and all(
                s.tensor != write.tensor for s in inside
            ):
                held.extend(siblings(table, model, part))
        return held, closed

    def _elsewhere_kept(self, said: Assignment, up: World, source: Site, info: SiteInfo, world: World) -> Assignment:
        """A source that an earlier one moves, at all positions: as the wire says, and elsewhere as in the world."""
        kept = tuple(
            replace(a, value=self._write.explicit(a, world))
            for a in up.assignments
            if not self._places.within(a.target, source, info)
        )
        both = World((*kept, said), world.span)
        whole = replace(source, position=ALL)
        value = in_world(Counterfactual(whole, self._write.settled(both, whole), span=said.span), FACTUAL)
        return Assignment(whole, value, span=said.span)

    def for_head(self, world: World, out: Address) -> World:
        """The world as one head sees it: its own wires end in the shared site, those of its neighbours nowhere."""
        model, table = out.model, self._places.tables[out.model]
        end = End((table.info(out).tower,), table.info(out), None, ALL)
        made: dict[Expr, Assignment] = {}
        for mine in (False, True):  # its own say more than those into the shared site
            for a in world.assignments:
                if (self._places.head(a) == out) != mine:
                    continue
                if not mine and not self._places.upstream(a, model, table, end):
                    continue  # also what its neighbours alone read
                target = a.target
                if mine and isinstance(target, Wire) and isinstance(target.target, Site):
                    shared = cast(Address, shared_of(table, target.target.address))
                    target = replace(target, target=replace(target.target, address=shared))
                value = self._write.explicit(a, world) if not isinstance(a.target, Wire) else a.value
                made[target] = replace(a, target=target, value=value)
        return world_of(made.values(), world.span)

    def of_pattern(self, world: World, leaf: Site) -> World:
        """The world in which an attention pattern is read: that of its head, where wires end in the head's own keys."""
        path = leaf.address.path
        if not path or path[-1].name != "pattern" or not wired(world):
            return world
        out = Address(leaf.address.model, (*path[:-1], replace(path[-1], name="out", index=None)))
        return self.for_head(world, out) if out in self._places.heads(world, out.model) else world


def _bare(world: World, address: Address, table: SiteTable) -> World:
    """A world less what it assigns to what dictionaries find in a site: its shadow assigns that too."""

    def inside(a: Assignment) -> bool:
        own = a.target.address if isinstance(a.target, Site) else address
        return bool(own.attached) and own.model == address.model and table.dictionary(own).address(own.model) == address

    kept = tuple(a for a in world.assignments if not inside(a))
    return world if len(kept) == len(world.assignments) else World(kept, world.span)


def _said_anew(a: Assignment, group: list[Assignment], held: list[Address]) -> bool:
    """Whether a shadow says anew what an assignment says: what is held, or another wire out of a source of its own."""
    if isinstance(a.target, Wire):
        return any(wire_of(g).source == a.target.source for g in group)
    return isinstance(a.target, Site) and tensor_of(a.target.address) in {tensor_of(h) for h in held}
