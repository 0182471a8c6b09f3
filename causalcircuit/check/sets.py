"""Sets of sites: `A except B`, `outside(A)`, and what a set must be wherever one is gone through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, error
from causalcircuit.query import (
    Address,
    AddressError,
    Expr,
    Items,
    Part,
    Position,
    Site,
    SiteInfo,
    SiteTable,
    relation,
    render,
)

Tables = Callable[[str], SiteTable]
"""The sites of a declared model, by its name."""

_PARTED = ("list", "each")


def members(value: Expr, span: Span | None) -> tuple[Site, ...]:
    """The sites of a set, or the only one.

    Raises:
        DiagnosticError: CQ240 there are none, CQ242 of two models, CQ243 something else is among them.
    """
    found = value.items if isinstance(value, Items) else (value,)
    out = tuple(e for e in found if isinstance(e, Site))
    if len(out) < len(found):
        wrong = next(e for e in found if not isinstance(e, Site))
        raise error(
            "CQ243",
            f"`{shown(wrong)}` is no site, and a set is made of sites",
            wrong.span or span,
            help="a pattern `m.layer[*].head[*].out @ last`, a list `[A, B]`, or the name of one",
        )
    if not out:
        raise error("CQ240", "this set is empty", span, help="name its members: `[A, B]`")
    check_one_model(out, span)
    return out


def check_one_model(found: Iterable[Expr], span: Span | None) -> None:
    """Refuse sites of different models in one set (CQ242)."""
    models = list(dict.fromkeys(e.address.model for e in found if isinstance(e, Site)))
    if len(models) > 1:
        raise error(
            "CQ242",
            f"this set has sites of two models: `{models[0]}` and `{models[1]}`",
            span,
            help="ask of each model by itself: their sites have no order and no scale in common",
        )


def no_value(circuit: str, span: Span) -> DiagnosticError:
    """A circuit where a value is needed."""
    return error(
        "CQ256",
        f"`{circuit}` is a circuit, not a value",
        span,
        "wires",
        help=(
            f"its wires are assigned, all at once: `do({circuit} = ({circuit} | w))`, "
            f"`do(outside({circuit}) = (outside({circuit}) | w))`",
            f"it is shown by `show {circuit}`",
        ),
    )


def no_wires(target: str, said: str, span: Span | None) -> DiagnosticError:
    """Another value for the wires of a circuit than their own in a world."""
    return error(
        "CQ262",
        f"`{said}` is no value for all the wires of `{target}`",
        span,
        help=f"they take their own values of another world: `do({target} = ({target} | w))`",
    )


def union(items: Iterable[Expr]) -> tuple[Expr, ...]:
    """The members of a list; of sites, which make a set, each once."""
    found = tuple(items)
    return tuple(dict.fromkeys(found)) if all(isinstance(e, Site) for e in found) else found


def difference(left: Expr, right: Expr, tables: Tables, span: Span | None) -> Items:
    """`A except B`: what components and positions of `A` are left without those of `B`.

    Raises:
        DiagnosticError: those of `members`; CQ240 nothing is left, CQ241 nothing is taken away, CQ243 a part of a site.
    """
    whole, less = members(left, left.span or span), members(right, right.span or span)
    check_one_model((*whole, *less), span)
    table = tables(whole[0].address.model)
    by_tensor: dict[str, list[tuple[SiteInfo, Site]]] = {}
    for site in less:
        info = table.info(site.address)
        by_tensor.setdefault(info.tensor, []).append((info, site))
    kept: list[Site] = []
    for site in whole:
        rest: Site | None = site
        info = table.info(site.address)
        for other, taken in by_tensor.get(info.tensor, ()):
            rest = None if rest is None else _less(rest, info, taken, other, span)
        if rest is not None:
            kept.append(rest)
    if not kept:
        said = f"`{shown(right)}` takes all of `{shown(left)}` away"
        raise error("CQ240", f"this set is empty: {said}", span, "nothing is left", help="take less away")
    if kept == list(whole):
        raise error(
            "CQ241",
            f"`except` takes nothing away: `{shown(right)}` has nothing in common with `{shown(left)}`",
            span,
            help=(
                f"the first sites: `{render(whole[0])}` and `{render(less[0])}`",
                "a set is of components at positions: both must meet",
            ),
        )
    return Items(tuple(kept), span=span)


def outside(value: Expr, tables: Tables, span: Span | None) -> Items:
    """`outside(A)`: all other sites of the kinds of `A`, at the positions of `A`.

    Raises:
        DiagnosticError: those of `members`; CQ240, `A` has all of them.
    """
    found = members(value, value.span or span)
    model = found[0].address.model
    table = tables(model)
    kinds: dict[tuple[Part, ...], dict[Position, None]] = {}
    for site in found:
        kinds.setdefault(_kind(site.address.path), {})[site.position] = None
    every = [Site(a, p, span=span) for kind, at in kinds.items() for p in at for a in _all(kind, model, table)]
    taken = {(table.info(s.address).tensor, table.info(s.address).start, s.position) for s in found}
    if all((table.info(s.address).tensor, table.info(s.address).start, s.position) in taken for s in every):
        raise error(
            "CQ240",
            f"this set is empty: `{shown(value)}` has every site of its kind",
            span,
            "nothing is outside",
            help="`outside(A)` is all other sites of the kinds of `A`, at the positions of `A`",
        )
    made = difference(Items(tuple(every), span=span), value, tables, span).items
    return Items(tuple(_outermost([s for s in made if isinstance(s, Site)])), span=span)


def _less(site: Site, info: SiteInfo, taken: Site, other: SiteInfo, span: Span | None) -> Site | None:
    """A site without another of the same tensor; `None` where nothing is left."""
    if (info.rank < 0 and site.address != taken.address) or (info.rank >= 0 and not info.overlaps(other)):
        return site
    where = relation(site.position, taken.position)
    if where == "apart":
        return site
    if not other.contains(info):
        raise error(
            "CQ243",
            f"`{render(taken)}` is a part of `{render(site)}`, which is one site",
            span,
            help="name the sites that it is made of: `m.layer[0].head[*].out`, `s.feature[*]`",
        )
    if where in ("same", "inside"):
        return None
    at, gone = site.position, set(taken.position.parts or (taken.position,))
    if at.kind in _PARTED and gone <= set(at.parts):
        parts = tuple(p for p in at.parts if p not in gone)
        single = len(parts) == 1 and at.kind == "list"
        return replace(site, position=parts[0] if single else replace(at, parts=parts))
    if "each" in (at.kind, taken.position.kind):
        raise error(
            "CQ243",
            f"what `@ {at}` leaves without `@ {taken.position}` is known when the rows are read, not before",
            span,
            help="list the positions: `@ each [token(row.w), last]`",
        )
    whole = at.parts if at.kind == "except" else (at,)
    return replace(site, position=Position("except", parts=(*whole, taken.position)))


def _kind(path: tuple[Part, ...]) -> tuple[Part, ...]:
    """An address with every number open, but for the key of a pattern."""
    return tuple(p if p.index is None or p.name == "pattern" else replace(p, index="*") for p in path)


def _all(kind: tuple[Part, ...], model: str, table: SiteTable) -> Iterator[Address]:
    """Every site of a kind; layers that have none are passed over."""
    try:
        yield from table.expand(Address(model, kind))
        return
    except AddressError:
        at = next((i for i, p in enumerate(kind) if p.name == "layer"), None)
    if at is None:
        return
    for number in range(max(t.layers for t in table.towers)):
        single = (*kind[:at], replace(kind[at], index=number), *kind[at + 1 :])
        try:
            yield from table.expand(Address(model, single))
        except AddressError:
            continue


def _outermost(found: list[Site]) -> Iterator[Site]:
    """Sites of which none lies inside another: `A @ last` goes where there is `A @ all`."""
    by_address: dict[Address, list[Position]] = {}
    for site in found:
        by_address.setdefault(site.address, []).append(site.position)
    for site in dict.fromkeys(found):
        if not any(relation(site.position, p) == "inside" for p in by_address[site.address]):
            yield site
