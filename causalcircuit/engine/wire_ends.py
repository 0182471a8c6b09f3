"""Where the wires of a world stand: their sources and ends as sites of a model, and what lies upstream. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.formulas import model_of, target_model
from causalcircuit.query import (
    Address,
    Assignment,
    Expr,
    Input,
    Position,
    Site,
    SiteInfo,
    SiteTable,
    Wire,
    World,
    relation,
    render,
    tensor_of,
)
from causalcircuit.query.wiring import End, before, end_of, read_info, shared_of

Key = tuple[str, str, int, int, str, Position | None]
"""Where wires end: model, tensor, its entries, the one head that reads them, position."""

INSIDE = ("same", "inside")
"""How the position of a site relates to that of another which covers it."""


@dataclass
class WireEnds:
    """Sites of the models whose `tables` are given, looked up once each."""

    tables: Mapping[str, SiteTable] = field(default_factory=dict)
    _infos: dict[Expr, SiteInfo] = field(default_factory=dict)
    _ends: dict[Expr, End] = field(default_factory=dict)

    def info(self, node: Expr) -> SiteInfo:
        """What is known of a site; of one head's read of shared keys, of those.

        Raises:
            DiagnosticError: CQ575, it is not known where it is computed.
        """
        site = cast(Site, node)
        if site not in self._infos:
            table = self.table(site.address.model, site)
            found = read_info(table, site.address)[0]
            if found.rank < 0:
                raise _unplaced(site, f"where `{site.address}` is computed is not known")
            self._infos[site] = found
        return self._infos[site]

    def end(self, target: Expr) -> End:
        """Where a wire into `target` ends."""
        if target not in self._ends:
            self._ends[target] = end_of(self.table(model_of(target), target), target)
        return self._ends[target]

    def table(self, model: str, where: Expr) -> SiteTable:
        """The sites of a model that `where` names.

        Raises:
            DiagnosticError: CQ575, they are not known.
        """
        if model not in self.tables:
            raise _unplaced(where, f"the sites of `{model}` are not known")
        return self.tables[model]

    def upstream(self, a: Assignment, model: str, table: SiteTable, end: End) -> bool:
        """Whether an assignment can move what an end reads."""
        target = a.target
        if target_model(target) != model or isinstance(target, Input):
            return True
        if isinstance(target, Wire):
            if not isinstance(target.target, Site):
                return False
            # One head's read of shared keys is known again in that head's output.
            own = self.end(target.target)
            return all(before(table, end, i) for i in (own.site, own.head) if i is not None)
        return isinstance(target, Site) and before(table, end, self.info(target))

    def covered(self, site: Site, world: World) -> bool:
        """Whether an assignment of the world takes the place of all that stands there."""
        info = read_info(self.tables[site.address.model], site.address)[0]
        return any(
            isinstance(a.target, Site)
            and a.target.address.model == site.address.model
            and self.info(a.target).contains(info)
            and relation(site.position, a.target.position) in INSIDE
            for a in world.assignments
        )

    def relevant(self, world: World, site: Site) -> World:
        """A world less what cannot move a site, and what is assigned elsewhere in its tensor."""
        model = site.address.model
        table = self.table(model, site)
        info = self.info(site)
        end = End((info.tower,), info, None, site.position)
        kept = (
            a
            for a in world.assignments
            if self.upstream(a, model, table, end)
            or (isinstance(a.target, Site) and a.target.address.model == model and self.info(a.target).overlaps(info))
            or (isinstance(a.target, Wire) and target_model(a.target) == model and self.ends_in(a.target, info))
        )
        return World(tuple(kept), world.span)

    def ends_in(self, wire: Wire, info: SiteInfo) -> bool:
        """Whether a wire ends in some entries of a tensor."""
        if not isinstance(wire.target, Site):
            return False
        own = self.end(wire.target)
        return any(i is not None and i.overlaps(info) for i in (own.site, own.head))

    def within(self, target: Expr, source: Site, info: SiteInfo) -> bool:
        """Whether an assigned site is a source, or lies inside it."""
        if not isinstance(target, Site) or target.address.model != source.address.model:
            return False
        return info.contains(self.info(target)) and relation(target.position, source.position) in INSIDE

    def groups(self, world: World, model: str) -> dict[Key, list[Assignment]]:
        """The wires into sites of a model by where they end."""
        out: dict[Key, list[Assignment]] = {}
        for a in world.assignments:
            if isinstance(a.target, Wire) and isinstance(a.target.target, Site) and target_model(a.target) == model:
                end = self.end(a.target.target)
                head = "" if end.head is None else end.head.address
                read = cast(SiteInfo, end.site)
                key = (model, read.tensor, read.start, read.stop, head, end.position)
                out.setdefault(key, []).append(a)
        return out

    def head(self, a: Assignment) -> Address | None:
        """The output of the one head that a wire ends in, where others read the same keys or values."""
        if not isinstance(a.target, Wire) or not isinstance(a.target.target, Site):
            return None
        address = a.target.target.address
        if shared_of(self.table(address.model, a.target), address) is None:
            return None
        return Address(address.model, (*address.path[:-1], replace(address.path[-1], name="out")))

    def heads(self, world: World, model: str) -> dict[Address, list[Assignment]]:
        """Those heads of a model, with the wires."""
        out: dict[Address, list[Assignment]] = {}
        for a in world.assignments:
            head = self.head(a)
            if head is not None and head.model == model:
                out.setdefault(head, []).append(a)
        return out


def wired(world: World) -> bool:
    """Whether a wire is assigned in a world."""
    return any(isinstance(a.target, Wire) for a in world.assignments)


def wire_of(a: Assignment) -> Wire:
    """The target of an assignment to a wire."""
    return cast(Wire, a.target)


def site_of(a: Assignment) -> Site | None:
    """The site that an assignment sets, or that its wire ends in."""
    target = a.target.target if isinstance(a.target, Wire) else a.target
    return target if isinstance(target, Site) else None


def less_tensor(world: World, site: Site) -> World:
    """A world less what it assigns to the tensor of a site."""
    tensor = tensor_of(site.address)
    kept = (a for a in world.assignments if not (isinstance(a.target, Site) and tensor_of(a.target.address) == tensor))
    return World(tuple(kept), world.span)


def _unplaced(where: Expr, why: str) -> DiagnosticError:
    return error(
        "CQ575",
        f"`{render(where)}` stands beside a wire, and {why}",
        where.span,
        help="wires need models whose sites a config describes, and sites by their address, not by a module's path",
    )
