"""Wires `(A -> B) = v` written out as nested worlds, so that nothing after this knows of them. No torch.

What B reads in a world w is what it would read in the *shadow* of w: A is v there, and each part of the model that
writes between A and B is held at its value in w. So in w itself B is assigned `(B | shadow)`, and a readout Y with a
wire into it is read as `(Y | shadow)`. See decision 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.formulas import assigned, in_world, model_of, target_model
from causalcircuit.query import (
    ALL,
    FACTUAL,
    Address,
    Assignment,
    Column,
    Counterfactual,
    Expr,
    Generated,
    Input,
    Noise,
    Output,
    Position,
    Readout,
    Site,
    SiteInfo,
    SiteTable,
    Statistic,
    Wire,
    World,
    is_text,
    rebuild,
    relation,
    render,
    tensor_of,
    world_of,
)
from causalcircuit.query.entangled import entanglements
from causalcircuit.query.plan import Ending
from causalcircuit.query.wiring import (
    End,
    Sublayer,
    before,
    end_of,
    held_at,
    outputs,
    read_info,
    shared_of,
    siblings,
    sublayer,
    write_of,
    written_between,
)

_Key = tuple[str, str, int, int, str, Position | None]


@dataclass
class Wires:
    """Expands wires, a world at a time; `tables` are the sites of the models.

    `endings` says of each shadow which wires end in what is read there.
    """

    tables: Mapping[str, SiteTable] = field(default_factory=dict)
    endings: dict[tuple[str, World], Ending] = field(default_factory=dict)
    _sound: set[World] = field(default_factory=set)
    _infos: dict[Expr, SiteInfo] = field(default_factory=dict)
    _ends: dict[Expr, End] = field(default_factory=dict)
    _shadows: dict[tuple[object, ...], World] = field(default_factory=dict)
    _alive: list[World] = field(default_factory=list)

    def ended(self, e: Expr, world: World) -> Expr:
        """`e` as it reads in `world`, with readouts that wires end in read in the shadows of these.

        Wires into sites stay in the worlds, for `edits`. What is bare in `e` and no such readout stays bare.

        Raises:
            DiagnosticError: CQ239, wires that cannot be told from other assignments; CQ575, sites are not known.
        """
        match e:
            case Counterfactual(value=value, world=own):
                return replace(e, value=self.ended(value, own))
            case _ if wired(world) and world not in self._sound:
                self._refuse_entangled(world)
                return self.ended(e, world)
            case Statistic():
                return rebuild(e, lambda part: self.ended(part, FACTUAL))
            case Generated() | Site() | Output():
                settled = self._settled(world, e)
                if isinstance(e, Readout) and is_text(e.answer):
                    e = replace(e, answer=self.ended(e.answer, world))
                return e if settled is world else Counterfactual(e, settled, span=e.span)
            case _:
                return rebuild(e, lambda child: self.ended(child, world))

    def edits(self, world: World, model: str) -> list[tuple[Expr, Expr]]:
        """What is assigned in a world of a model, with its value written out (see `formulas.assigned`).

        Raises:
            DiagnosticError: CQ352, a value that an assignment cannot take; and as `ended`.
        """
        if not wired(world):
            return [
                (a.target, assigned(replace(a, value=self.ended(a.value, FACTUAL)), world))
                for a in world.assignments
                if target_model(a.target) == model
            ]
        made: list[tuple[Expr, Expr]] = []
        for key, group in self._groups(world, model).items():
            target = _wire(group[0]).target
            if isinstance(target, Site) and not key[4] and not self._covered(target, world):
                shadow = self._shadow(world, group, target)
                self._note(target, shadow, group, brief=False)
                made.append((target, in_world(Counterfactual(target, shadow, span=target.span), FACTUAL)))
        heads = self._heads(world, model)
        for out, own in heads.items():
            site = Site(out, ALL, span=own[0].span)
            if not self._covered(site, world):
                inner = Counterfactual(site, self._for_head(world, out), span=site.span)
                made.append((site, in_world(inner, FACTUAL)))
        if heads:  # they hold at the prompt's positions only
            self._keep((model, world), [a for own in heads.values() for a in own], brief=True)
        ends = {tensor_of(t.address) for t, _ in made if isinstance(t, Site)}
        for a in world.assignments:
            if not isinstance(a.target, Wire) and target_model(a.target) == model:
                through = isinstance(a.target, Site) and tensor_of(a.target.address) in ends
                made.append((a.target, self._explicit(a, world, natural=through)))
        return made

    def _settled(self, world: World, leaf: Expr) -> World:
        """The world in which `leaf` has the value that it has in `world`, with wires into sites only."""
        if not wired(world):
            return world
        if isinstance(leaf, Output) and not isinstance(leaf, Generated):
            own = [a for a in world.assignments if isinstance(a.target, Wire) and leaf in outputs(a.target.target)]
            if own:
                shadow = self._shadow(world, own, leaf)
                self._note(leaf, shadow, own, brief=True)
                return shadow
        kept = tuple(
            a for a in world.assignments if not isinstance(a.target, Wire) or isinstance(a.target.target, Site)
        )
        if len(kept) != len(world.assignments):
            world = World(kept, world.span)
        return self._of_pattern(world, leaf) if isinstance(leaf, Site) else world

    def _note(self, leaf: Expr, world: World, own: Iterable[Assignment], *, brief: bool) -> None:
        """Keep which wires a pass is made for, under the world as the plan will know it."""
        read = in_world(Counterfactual(leaf, world), FACTUAL)
        if isinstance(read, Counterfactual):
            self._keep((model_of(leaf), read.world), own, brief=brief)

    def _keep(self, key: tuple[str, World], own: Iterable[Assignment], *, brief: bool) -> None:
        known = self.endings.get(key)
        wires = dict.fromkeys((*(() if known is None else known.wires), *(_wire(a) for a in own)))
        self.endings[key] = Ending(*key, tuple(wires), brief or (known is not None and known.brief))

    def _explicit(self, a: Assignment, world: World, *, natural: bool = False) -> Expr:
        """The value of an assignment in `world`, every read but its own target's with its world.

        With `natural`, its own target's too: a wire ends in the tensor, which is natural as the wire leaves it. Of a
        wire, the bare source is its natural value in the world.
        """
        target = a.target.source if isinstance(a.target, Wire) else a.target
        if not isinstance(target, Site):
            return assigned(replace(a, value=self.ended(a.value, FACTUAL)), world)
        rest = self._less_tensor(world, target)
        keep = not isinstance(a.target, Wire) and not natural

        def visit(e: Expr) -> Expr:
            match e:
                case Site() if keep and e.address == target.address:
                    return e
                case Site():
                    self._acyclic(a, e)
                    own = e.address == target.address or not isinstance(a.target, Wire)
                    relevant = self._relevant(rest if own else world, e)
                    return in_world(Counterfactual(e, self._settled(relevant, e), span=e.span), FACTUAL)
                case Column():
                    return in_world(e, world)
                case Noise():
                    return replace(e, site=target)
                case Counterfactual() | Statistic() | Input():
                    return in_world(self.ended(e, FACTUAL), FACTUAL)
                case Column() | Noise() | Output():  # of the row's donor; on the target; refused
                    return assigned(replace(a, target=target, value=e), world)
                case _:
                    return rebuild(e, visit)

        return visit(a.value)

    def _acyclic(self, a: Assignment, value: Site) -> None:
        """A wire's value is known before its end."""
        if isinstance(a.target, Wire) and isinstance(a.target.target, Site):
            table, end, info = self._table(value.address.model, a.target), self._end(a.target.target), self._info(value)
            same = value.address.model == a.target.target.address.model
            ends = [i for i in (end.site, end.head) if i is not None]
            if same and any(table.depends(info, i) or info.overlaps(i) for i in ends):
                raise error(
                    "CQ303",
                    f"`{render(a.target)}` is set to a value that depends on it: `{render(value)}` comes after it",
                    value.span or a.span,
                    "downstream of the wire",
                    help=f"take it from another world: `({render(value)} | do())` is its factual value",
                )

    # ---- the shadow

    def _shadow(self, world: World, group: list[Assignment], target: Expr) -> World:
        """The world in which an end reads, of its wires' sources, what the wires say; wires into streams may be left.

        Args:
            world: where it stands. group: the wires into this end. target: a read, or a readout.
        """
        table, end = self._table(model_of(target), target), self._end(target)
        place = held_at(table, end)
        said = tuple((_wire(a).source, a.value) for a in group)
        read = () if end.site is None else (end.site.tower, end.site.rank, end.site.layer)
        key = (id(world), end.towers, read, place, said)
        if key not in self._shadows:
            self._alive.append(world)  # so that no other one gets its number
            self._shadows[key] = self._made(world, group, table, end, place)
        return self._shadows[key]

    def _made(self, world: World, group: list[Assignment], table: SiteTable, end: End, place: Position) -> World:
        first = _wire(group[0])
        model = target_model(first)
        sources = {a: self._info(_wire(a).source) for a in group}
        up = World(tuple(a for a in world.assignments if self._upstream(a, model, table, end)), world.span)
        others = [self._info(_wire(a).source) for a in up.assignments if isinstance(a.target, Wire)]
        held, closed = self._held(table, model, list(sources.values()), others, end)
        made: dict[Expr, Assignment] = {}
        for a in up.assignments:
            inside = self._site_of(a)
            hidden = (
                inside is not None and inside.address.model == model and sublayer(table, self._info(inside)) in closed
            )
            if not hidden and not _said_anew(a, group, held):
                made[a.target] = replace(a, value=self._explicit(a, world))
        for address in held:
            if not any(s.address == address.local for s in sources.values()):
                site = Site(address, place, span=first.span)
                read = in_world(Counterfactual(site, self._settled(up, site), span=first.span), FACTUAL)
                made[site] = Assignment(site, read, span=first.span)
        for a, info in sources.items():
            source = cast(Site, _wire(a).source)
            moved = any(table.depends(info, s) for s in sources.values())
            for other in [x for x in made if self._within(x, source, info)]:
                del made[other]
            said = Assignment(source, self._explicit(a, world), span=a.span)
            if moved and source.position not in (place, ALL):
                said = self._elsewhere_kept(said, up, source, info, world)
                for other in [x for x in made if isinstance(x, Site) and x.address == source.address]:
                    del made[other]
            made[said.target] = said
        return World(tuple(made.values()), world.span)

    def _held(
        self, table: SiteTable, model: str, sources: list[SiteInfo], others: list[SiteInfo], end: End
    ) -> tuple[list[Address], set[Sublayer]]:
        """What is held between some sources and an end, and the parts that are held with all that is in them.

        A part that the source of another wire stands in is held piece by piece, for that wire may end in the stream.
        """
        held: list[Address] = []
        closed: set[Sublayer] = set()
        for part in written_between(table, sources, end):
            inside = [s for s in sources if sublayer(table, s) == part]
            address = write_of(table, model, part)
            write = table.info(address)
            if not inside:
                pieces = any(sublayer(table, s) == part and s.tensor != write.tensor for s in others)
                held.extend(siblings(table, model, part) if pieces else (address,))
                closed.add(part)
            elif any(table.depends(write, s) for s in sources if s not in inside) and all(
                s.tensor != write.tensor for s in inside
            ):
                held.extend(siblings(table, model, part))
        return held, closed

    def _elsewhere_kept(self, said: Assignment, up: World, source: Site, info: SiteInfo, world: World) -> Assignment:
        """A source that an earlier one moves, at all positions: as the wire says, and elsewhere as in the world."""
        kept = tuple(
            replace(a, value=self._explicit(a, world))
            for a in up.assignments
            if not self._within(a.target, source, info)
        )
        both = World((*kept, said), world.span)
        whole = replace(source, position=ALL)
        value = in_world(Counterfactual(whole, self._settled(both, whole), span=said.span), FACTUAL)
        return Assignment(whole, value, span=said.span)

    def _within(self, target: Expr, source: Site, info: SiteInfo) -> bool:
        """Whether an assigned site is a source, or lies inside it."""
        if not isinstance(target, Site) or target.address.model != source.address.model:
            return False
        return info.contains(self._info(target)) and relation(target.position, source.position) in _INSIDE

    def _upstream(self, a: Assignment, model: str, table: SiteTable, end: End) -> bool:
        """Whether an assignment can move what an end reads."""
        target = a.target
        if target_model(target) != model or isinstance(target, Input):
            return True
        if isinstance(target, Wire):
            if not isinstance(target.target, Site):
                return False
            # One head's read of shared keys is known again in that head's output.
            own = self._end(target.target)
            return all(before(table, end, i) for i in (own.site, own.head) if i is not None)
        return isinstance(target, Site) and before(table, end, self._info(target))

    @staticmethod
    def _site_of(a: Assignment) -> Site | None:
        """The site that an assignment sets, or that its wire ends in."""
        target = a.target.target if isinstance(a.target, Wire) else a.target
        return target if isinstance(target, Site) else None

    # ---- ends

    def _groups(self, world: World, model: str) -> dict[_Key, list[Assignment]]:
        """The wires into sites of a model by where they end."""
        out: dict[_Key, list[Assignment]] = {}
        for a in world.assignments:
            if isinstance(a.target, Wire) and isinstance(a.target.target, Site) and target_model(a.target) == model:
                end = self._end(a.target.target)
                head = "" if end.head is None else end.head.address
                read = cast(SiteInfo, end.site)
                key = (model, read.tensor, read.start, read.stop, head, end.position)
                out.setdefault(key, []).append(a)
        return out

    def _head(self, a: Assignment) -> Address | None:
        """The output of the one head that a wire ends in, where others read the same keys or values."""
        if not isinstance(a.target, Wire) or not isinstance(a.target.target, Site):
            return None
        address = a.target.target.address
        if shared_of(self._table(address.model, a.target), address) is None:
            return None
        return Address(address.model, (*address.path[:-1], replace(address.path[-1], name="out")))

    def _heads(self, world: World, model: str) -> dict[Address, list[Assignment]]:
        """Those heads of a model, with the wires."""
        out: dict[Address, list[Assignment]] = {}
        for a in world.assignments:
            head = self._head(a)
            if head is not None and head.model == model:
                out.setdefault(head, []).append(a)
        return out

    def _for_head(self, world: World, out: Address) -> World:
        """The world as one head sees it: its own wires end in the shared site, those of its neighbours nowhere."""
        model, table = out.model, self.tables[out.model]
        end = End((table.info(out).tower,), table.info(out), None, ALL)
        made: dict[Expr, Assignment] = {}
        for mine in (False, True):  # its own say more than those into the shared site
            for a in world.assignments:
                head = self._head(a)
                if (head is not None) != mine or (mine and head != out):
                    continue
                if not mine and not self._upstream(a, model, table, end):
                    continue
                target = a.target
                if mine and isinstance(target, Wire) and isinstance(target.target, Site):
                    shared = cast(Address, shared_of(table, target.target.address))
                    target = replace(target, target=replace(target.target, address=shared))
                value = self._explicit(a, world) if not isinstance(a.target, Wire) else a.value
                made[target] = replace(a, target=target, value=value)
        return world_of(made.values(), world.span)

    def _of_pattern(self, world: World, leaf: Site) -> World:
        """The world in which an attention pattern is read: that of its head, where wires end in the head's own keys."""
        path = leaf.address.path
        if not path or path[-1].name != "pattern" or not wired(world):
            return world
        out = Address(leaf.address.model, (*path[:-1], replace(path[-1], name="out", index=None)))
        return self._for_head(world, out) if out in self._heads(world, out.model) else world

    # ---- small questions

    def _covered(self, site: Site, world: World) -> bool:
        """Whether an assignment of the world takes the place of all that stands there."""
        info = read_info(self.tables[site.address.model], site.address)[0]
        return any(
            isinstance(a.target, Site)
            and a.target.address.model == site.address.model
            and self._info(a.target).contains(info)
            and relation(site.position, a.target.position) in _INSIDE
            for a in world.assignments
        )

    def _relevant(self, world: World, site: Site) -> World:
        """A world less what cannot move a site, and what is assigned elsewhere in its tensor."""
        model = site.address.model
        table = self._table(model, site)
        info = self._info(site)
        end = End((info.tower,), info, None, site.position)
        kept = (
            a
            for a in world.assignments
            if self._upstream(a, model, table, end)
            or (isinstance(a.target, Site) and a.target.address.model == model and self._info(a.target).overlaps(info))
            or (isinstance(a.target, Wire) and target_model(a.target) == model and self._ends_in(a.target, info))
        )
        return World(tuple(kept), world.span)

    def _ends_in(self, wire: Wire, info: SiteInfo) -> bool:
        if not isinstance(wire.target, Site):
            return False
        own = self._end(wire.target)
        return any(i is not None and i.overlaps(info) for i in (own.site, own.head))

    @staticmethod
    def _less_tensor(world: World, site: Site) -> World:
        tensor = tensor_of(site.address)
        kept = (
            a for a in world.assignments if not (isinstance(a.target, Site) and tensor_of(a.target.address) == tensor)
        )
        return World(tuple(kept), world.span)

    def _info(self, node: Expr) -> SiteInfo:
        site = cast(Site, node)
        if site not in self._infos:
            table = self._table(site.address.model, site)
            found = read_info(table, site.address)[0]
            if found.rank < 0:
                raise _unplaced(site, f"where `{site.address}` is computed is not known")
            self._infos[site] = found
        return self._infos[site]

    def _end(self, target: Expr) -> End:
        if target not in self._ends:
            self._ends[target] = end_of(self._table(model_of(target), target), target)
        return self._ends[target]

    def _table(self, model: str, where: Expr) -> SiteTable:
        if model not in self.tables:
            raise _unplaced(where, f"the sites of `{model}` are not known")
        return self.tables[model]

    def _refuse_entangled(self, world: World) -> None:
        """Raise for what the checker would have refused, of queries that were never checked."""
        for first, second, why in entanglements(world, self.tables):
            raise error(
                "CQ239",
                f"`{render(first)}` and `{render(second)}` {why}",
                second.span or first.span,
                help="make the positions of both the same, or leave one out",
            )
        self._sound.add(world)


_INSIDE = ("same", "inside")


def wired(world: World) -> bool:
    """Whether a wire is assigned in a world."""
    return any(isinstance(a.target, Wire) for a in world.assignments)


def _wire(a: Assignment) -> Wire:
    return cast(Wire, a.target)


def _said_anew(a: Assignment, group: list[Assignment], held: list[Address]) -> bool:
    """Whether a shadow says anew what an assignment says: what is held, or another wire out of a source of its own."""
    if isinstance(a.target, Wire):
        return any(_wire(g).source == a.target.source for g in group)
    return isinstance(a.target, Site) and tensor_of(a.target.address) in {tensor_of(h) for h in held}


def _unplaced(where: Expr, why: str) -> DiagnosticError:
    return error(
        "CQ575",
        f"`{render(where)}` stands beside a wire, and {why}",
        where.span,
        help="wires need models whose sites a config describes, and sites by their address, not by a module's path",
    )
