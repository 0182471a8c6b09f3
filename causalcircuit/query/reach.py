"""Whether an assignment can change what a question reads, by the wiring alone.

What is told unreachable has an effect of exactly 0 in every model of that wiring; whatever is not known counts as
reachable. A position is left out where no attention mixes positions between it and what is read, and where it comes
after everything that is read of a causal tower.
"""

from __future__ import annotations

from collections.abc import Callable

from causalcircuit.query import towers as ranks
from causalcircuit.query.address import Position
from causalcircuit.query.algebra import children, walk, world_in
from causalcircuit.query.compile import compile_estimand
from causalcircuit.query.expr import (
    FACTUAL,
    Counterfactual,
    Distribution,
    Expr,
    Input,
    Output,
    Readout,
    Similarity,
    Site,
    Statistic,
    World,
)
from causalcircuit.query.relations import relation
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import SiteInfo, Tower

Tables = Callable[[str], SiteTable]
Lie = Callable[[Site, Position, Expr, World], tuple[bool, bool]]
"""Of a site, and the position of what is read in a world: whether they meet in no row, and whether the site comes
after it in every row."""


def by_form(site: Site, position: Position, reader: Expr, world: World) -> tuple[bool, bool]:
    """How positions lie as far as they say it themselves, without rows."""
    a = site.position
    numbered = a.kind == position.kind == "index" and a.offset == position.offset == 0
    i, j = a.index or 0, position.index or 0
    return relation(a, position) == "apart", numbered and (i < 0) == (j < 0) and i > j


def idle(estimand: Expr, member: Site, tables: Tables, lie: Lie = by_form) -> bool:
    """Whether `member` is assigned in `estimand`, and nothing that is read there can change by it."""
    seen: set[int] = set()
    assigned = False
    for e in walk(estimand):
        world = world_in(e)
        if world is not None and id(world) not in seen:
            seen.add(id(world))
            assigned = assigned or world.value_of(member) is not None
    if not assigned:
        return False
    look = _Look(member, tables, lie)
    return not any(
        look.moved(part, m.world)
        for m in compile_estimand(estimand)[1]
        for part in (m.value, m.condition)
        if part is not None
    )


class _Look:
    """What an assignment to one site can change."""

    def __init__(self, member: Site, tables: Tables, lie: Lie) -> None:
        self.member, self.tables, self.lie = member, tables, lie
        self.info = tables(member.address.model).info(member.address)

    def moved(self, e: Expr, world: World) -> bool:
        """Whether a row's value of `e` in `world` can depend on what the site is assigned there, or further in."""
        if isinstance(e, Counterfactual):
            return self.moved(e.value, e.world)
        if isinstance(e, Statistic):
            return any(self.moved(c, FACTUAL) for c in children(e))
        if isinstance(e, Site | Output):
            answers = any(self.moved(c, world) for c in children(e))
            return answers or (not world.factual and self._read(e, world))
        return any(self.moved(c, world) for c in children(e))

    def _read(self, reader: Site | Output, world: World) -> bool:
        for a in world.assignments:
            if a.target == self.member and self.reaches(reader, world):
                return True
            if not isinstance(a.target, Site | Input):
                return True  # a wire: what it carries is looked at nowhere else
            if self._given(a.value, a.target, world):
                return True
        return False

    def _given(self, value: Expr, target: Expr, world: World) -> bool:
        """Whether what a target is given can change by the site."""
        if isinstance(value, Counterfactual | Statistic):
            return self.moved(value, world)
        if isinstance(value, Site):
            # What a target would have been itself lies on the paths of the wiring; another site makes a new one.
            return value not in (target, self.member) and self._assigned(world) and self.reaches(value, world)
        if isinstance(value, Output):
            return self._assigned(world)
        return any(self._given(c, target, world) for c in children(value))

    def _assigned(self, world: World) -> bool:
        return world.value_of(self.member) is not None

    def reaches(self, reader: Site | Output, world: World) -> bool:
        """Whether there is a path from the site to what `reader` reads in a world."""
        model = reader.address.model if isinstance(reader, Site) else reader.model
        if model != self.member.address.model:
            return False
        table = self.tables(model)
        if self.info.rank < 0:
            return True
        if isinstance(reader, Site):
            found, at = table.info(reader.address), reader.position
            if found.rank < 0:
                return True
            if not (found.overlaps(self.info) or table.depends(found, self.info)):
                return False
        elif isinstance(reader, Readout | Distribution) and reader.position is not None:
            found, at = _end(table), reader.position
            if not table.depends(found, self.info):
                return False
            if isinstance(reader, Readout) and reader.kind != "logit" and at.kind != "last":
                return True  # an answer of several tokens is read at the positions behind, too
        else:
            return isinstance(reader, Similarity) or table.depends(_end(table), self.info)
        if self.info.stand != found.stand or self.info.tower != found.tower:
            return True
        return self._positions(table.tower(found.tower), found, at, reader, world)

    def _positions(self, tower: Tower, found: SiteInfo, at: Position, reader: Expr, world: World) -> bool:
        apart, after = self.lie(self.member, at, reader, world)
        if after and tower.causal:
            return False
        return not apart or _first_mixing(self.info) <= _last_mixing(found)


def _end(table: SiteTable) -> SiteInfo:
    """What logits are read from: after everything of the readout's tower."""
    tower = table.readout_tower
    rank = tower.layers * ranks.BLOCK + 2
    return SiteInfo("", "", 0, tower.width, tower.width, tower.name, rank, tower.layers, tower.name)


def _first_mixing(info: SiteInfo) -> int:
    """The first layer whose attention carries a site to other positions."""
    if info.layer < 0:
        return 0
    inside = info.rank - info.layer * ranks.BLOCK
    return info.layer if inside <= ranks.QKV and not info.tensor.endswith(".q") else info.layer + 1


def _last_mixing(info: SiteInfo) -> int:
    """The last layer whose attention has carried other positions to a site."""
    inside = info.rank - info.layer * ranks.BLOCK
    return info.layer if info.layer >= 0 and inside >= ranks.PATTERN else info.layer - 1
