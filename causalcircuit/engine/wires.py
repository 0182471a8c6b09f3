"""Wires `(A -> B) = v` written out as nested worlds, so that nothing after this knows of them. No torch.

What B reads in a world w is what it would read in the *shadow* of w: A is v there, and each part of the model that
writes between A and B is held at its value in w. So in w itself B is assigned `(B | shadow)`, and a readout Y with a
wire into it is read as `(Y | shadow)`. See decision 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from causalcircuit.diagnostics import error
from causalcircuit.engine.formulas import assigned, in_world, model_of, target_model
from causalcircuit.engine.shadows import Shadows
from causalcircuit.engine.wire_ends import WireEnds, less_tensor, wire_of, wired
from causalcircuit.query import (
    ALL,
    FACTUAL,
    Assignment,
    Column,
    Counterfactual,
    Expr,
    Generated,
    Input,
    Noise,
    Output,
    Readout,
    Site,
    SiteTable,
    Statistic,
    Wire,
    World,
    is_text,
    rebuild,
    render,
    tensor_of,
)
from causalcircuit.query.entangled import entanglements
from causalcircuit.query.plan import Ending
from causalcircuit.query.wiring import outputs


@dataclass
class Wires:
    """Expands wires, a world at a time; `tables` are the sites of the models.

    `endings` says of each shadow which wires end in what is read there.
    """

    tables: Mapping[str, SiteTable] = field(default_factory=dict)
    endings: dict[tuple[str, World], Ending] = field(default_factory=dict)
    _sound: set[World] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._places = WireEnds(self.tables)
        self._shades = Shadows(self._places, self)

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
                settled = self.settled(world, e)
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
        ends: set[object] = set()  # what covers the end of a wire may still be made of what the wire leaves there
        for key, group in self._places.groups(world, model).items():
            target = wire_of(group[0]).target
            if not isinstance(target, Site) or key[4]:
                continue
            ends.add(tensor_of(target.address))
            if not self._places.covered(target, world):
                shadow = self._shades.shadow(world, group, target)
                self._note(target, shadow, group, brief=False)
                made.append((target, in_world(Counterfactual(target, shadow, span=target.span), FACTUAL)))
        heads = self._places.heads(world, model)
        for out, own in heads.items():
            site = Site(out, ALL, span=own[0].span)
            ends.add(tensor_of(out))
            if not self._places.covered(site, world):
                inner = Counterfactual(site, self._shades.for_head(world, out), span=site.span)
                made.append((site, in_world(inner, FACTUAL)))
        if heads:  # they hold at the prompt's positions only
            self._keep((model, world), [a for own in heads.values() for a in own], brief=True)
        for a in world.assignments:
            if not isinstance(a.target, Wire) and target_model(a.target) == model:
                through = isinstance(a.target, Site) and tensor_of(a.target.address) in ends
                made.append((a.target, self.explicit(a, world, natural=through)))
        return made

    def settled(self, world: World, leaf: Expr) -> World:
        """The world in which `leaf` has the value that it has in `world`, with wires into sites only."""
        if not wired(world):
            return world
        if isinstance(leaf, Output) and not isinstance(leaf, Generated):
            own = [a for a in world.assignments if isinstance(a.target, Wire) and leaf in outputs(a.target.target)]
            if own:
                shadow = self._shades.shadow(world, own, leaf)
                self._note(leaf, shadow, own, brief=True)
                return shadow
        kept = tuple(
            a for a in world.assignments if not isinstance(a.target, Wire) or isinstance(a.target.target, Site)
        )
        if len(kept) != len(world.assignments):
            world = World(kept, world.span)
        return self._shades.of_pattern(world, leaf) if isinstance(leaf, Site) else world

    def _note(self, leaf: Expr, world: World, own: Iterable[Assignment], *, brief: bool) -> None:
        """Keep which wires a pass is made for, under the world as the plan will know it."""
        read = in_world(Counterfactual(leaf, world), FACTUAL)
        if isinstance(read, Counterfactual):
            self._keep((model_of(leaf), read.world), own, brief=brief)

    def _keep(self, key: tuple[str, World], own: Iterable[Assignment], *, brief: bool) -> None:
        known = self.endings.get(key)
        wires = dict.fromkeys((*(() if known is None else known.wires), *(wire_of(a) for a in own)))
        self.endings[key] = Ending(*key, tuple(wires), brief or (known is not None and known.brief))

    def explicit(self, a: Assignment, world: World, *, natural: bool = False) -> Expr:
        """The value of an assignment in `world`, every read but its own target's with its world.

        With `natural`, its own target's too: a wire ends in the tensor, which is natural as the wire leaves it. Of a
        wire, the bare source is its natural value in the world.
        """
        target = a.target.source if isinstance(a.target, Wire) else a.target
        if not isinstance(target, Site):
            return assigned(replace(a, value=self.ended(a.value, FACTUAL)), world)
        rest = less_tensor(world, target)
        keep = not isinstance(a.target, Wire) and not natural

        def visit(e: Expr) -> Expr:
            match e:
                case Site() if keep and e.address == target.address:
                    return e
                case Site():
                    self._acyclic(a, e)
                    own = e.address == target.address or not isinstance(a.target, Wire)
                    relevant = self._places.relevant(rest if own else world, e)
                    return in_world(Counterfactual(e, self.settled(relevant, e), span=e.span), FACTUAL)
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
            table, end, info = (
                self._places.table(value.address.model, a.target),
                self._places.end(a.target.target),
                self._places.info(value),
            )
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
