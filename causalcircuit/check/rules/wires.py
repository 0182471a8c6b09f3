"""Meaning 9: wires join a write to a read that takes it from the stream (CQ233 to CQ239, CQ303, CQ575)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.rules.masked import cuts_off, natural
from causalcircuit.check.wires import WRITES
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic, Label, Span, warning
from causalcircuit.query import (
    Assignment,
    Counterfactual,
    Expr,
    Position,
    Site,
    SiteInfo,
    SiteTable,
    Statistic,
    Wire,
    World,
    children,
    relation,
    render,
)
from causalcircuit.query.entangled import entanglements
from causalcircuit.query.wiring import End, before, end_of, model_of_wire, nearest, obstacle, stream_of, writes


@rule
def wires(context: Context) -> Iterator[Diagnostic]:
    """Look at each wire by itself, and at those of one world together."""
    told: set[tuple[str, Span | None]] = set()
    for world, place in context.worlds():
        for found in _of_world(context, world, place):
            # The members of a set at an end are wires of one place.
            if found.span is None or (found.code, found.span) not in told:
                told.add((found.code, found.span))
                yield found


def _of_world(context: Context, world: World, place: Span | None) -> Iterator[Diagnostic]:
    sound = True
    for a in world.assignments:
        if isinstance(a.target, Wire):
            found = list(_alone(context, a, a.target, a.span or place))
            sound = sound and not found
            yield from found or _masked(context, a, a.target, world, place)
    if not sound:
        return
    yield from _unplaced(context, world, place)
    spans = {a.target: a.span for a in world.assignments}
    for first, second, why in entanglements(world, context.tables):
        where = spans.get(first)
        yield Diagnostic(
            "CQ239",
            f"`{shown(first)}` and `{shown(second)}` {why}",
            spans.get(second) or place,
            "not told apart",
            () if where is None else (Label(where, "from this"),),
            ("make the positions of both the same, or leave one out",),
        )


def _unplaced(context: Context, world: World, place: Span | None) -> Iterator[Diagnostic]:
    """A module by its path may stand anywhere; what a wire passes is known from the order of sites."""
    wired = {model_of_wire(a.target)[0] for a in world.assignments if isinstance(a.target, Wire)}
    for a in world.assignments:
        if isinstance(a.target, Site) and a.target.address.model in wired and context.info(a.target).rank < 0:
            yield Diagnostic(
                "CQ575",
                f"`{shown(a.target)}` stands beside a wire, and where it is computed is not known",
                a.span or place,
                "beside a wire",
                help=("name the site by its address, as `layer[0].resid`, not by a module's path",),
            )


def _alone(context: Context, a: Assignment, wire: Wire, place: Span | None) -> Iterator[Diagnostic]:
    models = model_of_wire(wire)
    if models[0] != models[1]:
        yield Diagnostic(
            "CQ237",
            f"`{shown(wire)}` joins two models, `{models[0]}` and `{models[1]}`",
            wire.span or place,
            "two models",
            help=("a wire lies inside one model; between models values travel as such: `do(B = (A | w))`",),
        )
        return
    table, source = context.tables[models[0]], wire.source
    if not isinstance(source, Site):
        return
    if not writes(table, source):
        whole = "resid" in str(source.address.path[-1])
        yield Diagnostic(
            "CQ233",
            f"`{shown(source)}` writes nothing into the stream, so no wire leaves it",
            within(source.span, wire.span) or place,
            "the whole stream" if whole else "no write",
            help=(WRITES,),
        )
        return
    end = end_of(table, wire.target)
    why = obstacle(table, context.info(source), end)
    if why:
        yield _missing(table, context, wire, end, why, place)
        return
    if source.position.new or (end.position is not None and end.position.new):
        yield Diagnostic(
            "CQ235",
            f"`{shown(wire)}` has generated positions, and wires join positions of the prompt",
            wire.span or place,
            help=("write `@ all` for every position of the prompt, or `@ last`",),
        )
        return
    yield from _apart(table, context, wire, end, place)
    for value in _bare(a.value):
        if value.address.model == models[0] and end.site is not None:
            info = context.info(value)
            if any(i is not None and (table.depends(info, i) or info.overlaps(i)) for i in (end.site, end.head)):
                yield Diagnostic(
                    "CQ303",
                    f"`{shown(wire)}` is set to a value that depends on it: `{render(value)}` comes after it",
                    within(value.span, a.value.span) or place,
                    "downstream of the wire",
                    help=(f"take it from another world: `({render(value)} | do())` is its factual value",),
                )


def _missing(table: SiteTable, context: Context, wire: Wire, end: End, why: str, place: Span | None) -> Diagnostic:
    source, said = context.info(cast(Site, wire.source)), (shown(wire.source), shown(wire.target))
    near = nearest(table, wire, source, end)
    way = (f"the nearest wire that exists is `{near}`",) if near else ()
    if why == "past":
        what = f"a wire into the past: `{said[1]}` reads before `{said[0]}` writes"
        return Diagnostic("CQ236", what, wire.span or place, "no such wire", help=way)
    here = table.tower(stream_of(table, source))
    beside = "reads the same stream as the part that writes it" if here.name in end.towers else "reads another stream"
    what = f"there is no wire from `{said[0]}` to `{said[1]}`, which {beside}"
    return Diagnostic("CQ235", what, wire.span or place, "no such wire", help=way)


def _apart(table: SiteTable, context: Context, wire: Wire, end: End, place: Span | None) -> Iterator[Diagnostic]:
    """A read takes its own position of the stream, and no other."""
    stand = table.readout_tower.name if end.site is None else end.site.stand
    source = cast(Site, wire.source)
    a, b = source.position, end.position
    if b is None or context.info(source).stand != stand or relation(a, b) != "apart":
        return
    back = table.tower(stand).causal and _number(a) > _number(b) if stand != "projector" else False
    what = f"`{shown(wire.target)}` takes the stream at its own position, where `{shown(wire.source)}` does not write"
    yield Diagnostic(
        "CQ236" if back else "CQ235",
        f"a wire into an earlier position: {what}" if back else what,
        wire.span or place,
        "no such wire",
        help=(
            f"name one position at both ends: `@ {a}`",
            "what is written elsewhere arrives through attention: wires into `head[j].k` and `.v` there",
        ),
    )


def _number(p: Position) -> int:
    """A place on a line, for positions that are counted from one end."""
    if p.parts:
        return min(map(_number, p.parts))
    return {"first": 0, "last": -1}.get(p.kind, p.index or 0) + p.offset


def _bare(e: Expr) -> Iterator[Site]:
    if isinstance(e, Site):
        yield e
    elif not isinstance(e, Counterfactual | Statistic):
        for child in children(e):
            yield from _bare(child)


def _masked(context: Context, a: Assignment, wire: Wire, world: World, place: Span | None) -> Iterator[Diagnostic]:
    """A read that is assigned takes nothing of its wires; nor does one behind a write or a stream that is."""
    model, source = model_of_wire(wire)[0], wire.source
    if not isinstance(source, Site):
        return
    table = context.tables[model]
    end = end_of(table, wire.target)
    for b in world.assignments:
        if not isinstance(b.target, Site) or b.target.address.model != model or natural(b.value, b.target):
            continue
        info, where = context.info(b.target), ""
        if isinstance(wire.target, Site) and info.contains(cast(SiteInfo, end.site)):
            if _inside(wire.target, b.target):
                where = "where it ends"
        elif cuts_off(context.info(source), info) and before(table, end, info) and _inside(source, b.target):
            where = "which stands between its ends"
        if where:
            yield warning(
                "CQ238",
                f"the wire `{shown(wire)}` has no effect: `{shown(b.target)}`, {where}, is set",
                a.span or place,
                "masked",
                labels=[] if b.span is None else [Label(b.span, "set here")],
                help="leave one of them out",
            )
            return


def _inside(one: Site, other: Site) -> bool:
    """Whether all positions of one are among those of the other."""
    return relation(one.position, other.position) in ("same", "inside")
