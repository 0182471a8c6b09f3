"""Where the members of a sweep lie on a map: layer × head, layer × position, one variable × another."""

from __future__ import annotations

from collections.abc import Sequence

from causalcircuit.query import Address, Estimate, Query, Site
from causalcircuit.query.each import SEEN
from causalcircuit.query.showing import Axis, Panel

Coordinates = dict[str, str]
"""Of a member: its place along each side, by what goes along it."""


def panels(queries: Sequence[Query], estimates: Sequence[Estimate]) -> tuple[Panel, ...]:
    """The heat maps of estimates, which belong to `queries` in the same order.

    One variable that goes through sites lies along its layer and what varies besides; two variables lie along each
    other. What is left, and groups of rows, makes maps of their own.
    """
    names = list(dict.fromkeys(name for q in queries for name, _ in q.at if name != SEEN))
    sides = [_sides(name, queries) for name in names]
    if len(names) == 1:
        places = sides[0]
        axes = list(dict.fromkeys(title for place in places for title in place))
    else:
        joined = [_joined(name, side) for name, side in zip(names, sides, strict=True)]
        places = [_merged(p) for p in zip(*joined, strict=True)]
        axes = list(dict.fromkeys(title for place in places for title in place))
    if not axes:
        axes, places = [names[0]], [{names[0]: said} for said in (dict(q.at)[names[0]] for q in queries)]
    rows, columns, *rest = axes if len(axes) > 1 else ["", axes[0]]
    titles = [_title(rest, place, e) for place, e in zip(places, estimates, strict=True)]
    out = []
    for title in dict.fromkeys(titles):
        own = [i for i, t in enumerate(titles) if t == title]
        lines, across = _labels(rows, places), _labels(columns, places)
        at = {(places[i].get(rows, ""), places[i][columns]): i for i in own}
        cells = tuple(tuple(at.get((a, b)) for b in across) for a in lines)
        out.append(Panel(title, Axis(rows, lines), Axis(columns, across), cells))
    return tuple(out)


def _merged(several: tuple[Coordinates, ...]) -> Coordinates:
    out: Coordinates = {}
    for one in several:
        out |= one
    return out


def _title(rest: Sequence[str], place: Coordinates, e: Estimate) -> str:
    groups = [f"{axis} = {said}" for axis, said in e.at if axis.startswith("row.")]
    return ", ".join([*(f"{axis} = {place[axis]}" for axis in rest), *groups])


def _labels(axis: str, places: Sequence[Coordinates]) -> tuple[str, ...]:
    """What stands along an axis: numbers in order, the rest as it comes."""
    found = dict.fromkeys(p.get(axis, "") for p in places)
    return tuple(sorted(found, key=lambda label: (not label[:1].isdigit(), _leading(label))))


def _leading(label: str) -> int:
    digits = label.split(" ")[0]
    return int(digits) if digits.isdigit() else 0


def _joined(name: str, places: Sequence[Coordinates]) -> list[Coordinates]:
    """One side for all that varies of a variable: `1.3` for layer 1, head 3 of `H`, titled `H: layer.head`."""
    title = f"{name}: {'.'.join(places[0])}" if places[0] and name not in places[0] else name
    return [{title: ".".join(place.values())} for place in places]


def _sides(name: str, queries: Sequence[Query]) -> list[Coordinates]:
    """Where each member of a variable lies along what varies among them."""
    members = [dict(zip((n for n, _ in q.at), q.members, strict=True))[name] for q in queries]
    sites = [m for m in members if isinstance(m, Site)]
    if len(sites) < len(members):
        return [{name: dict(q.at)[name]} for q in queries]
    tokens = [dict(q.at).get(SEEN) for q in queries]
    places = [_place(m, token) for m, token in zip(sites, tokens, strict=True)]
    common = len({tuple(p) for p in places}) == 1  # all are of one kind
    if not common:
        places = [_plain(m, token) for m, token in zip(sites, tokens, strict=True)]
    titles = list(dict.fromkeys(t for p in places for t in p))
    varying = [t for t in titles if len({p.get(t) for p in places}) > 1]
    return [{t: p.get(t, "") for t in varying} for p in places]


def _place(site: Site, token: str | None) -> Coordinates:
    """Layer, head and other numbers of an address, its words, and its position."""
    out: Coordinates = {}
    for part in site.address.path:
        if part.index is not None:
            out[part.name] = str(part.index)
    words = ".".join(p.name if p.text is None else str(p) for p in site.address.path)
    out[f"kind {words}"] = words
    return out | {"position": _position(site, token)}


def _plain(site: Site, token: str | None) -> Coordinates:
    """Layer, the rest of an address as it is written, and its position: for sites of several kinds."""
    path = site.address.path
    layer = next((i for i, p in enumerate(path) if p.name == "layer" and p.index is not None), None)
    if layer is None:
        return {"site": site.address.local, "position": _position(site, token)}
    rest = Address("", (*path[:layer], *path[layer + 1 :])).local
    return {"layer": str(path[layer].index), "site": rest, "position": _position(site, token)}


def _position(site: Site, token: str | None) -> str:
    return f"{site.position} {token}" if token is not None else str(site.position)
