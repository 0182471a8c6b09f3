"""A circuit as the plain data that the page draws: nodes in rows and columns, edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from causalcircuit.query.address import Position
from causalcircuit.query.circuit import Circuit
from causalcircuit.query.circuits.typical import TypicalRow
from causalcircuit.query.expr import Site
from causalcircuit.report.graph import facts, names
from causalcircuit.report.graph.columns import Axis, axis, index_of, shown, token_at
from causalcircuit.report.graph.images import PageImage
from causalcircuit.report.graph.places import Place, place
from causalcircuit.report.safe import clean
from causalcircuit.report.trusting import trust_facts

Key = tuple[str, Position]
Found = Mapping[tuple[str, Position], int]
"""By tower, where positions lie in the typical row."""
_LONGEST = 400
"""Letters of a name from which on the page cuts it."""


@dataclass(slots=True)
class _Node:
    place: Place
    position: Position
    sites: dict[str, None] = field(default_factory=dict)
    score: list[Any] | None = None
    rank: float = 0.0
    tower: str = ""


def payload(circuit: Circuit, title: str, images: Sequence[PageImage], row: TypicalRow | None = None) -> dict[str, Any]:
    """Everything that the page shows."""
    found: Found = {} if row is None else row.places
    if row is not None:
        circuit = replace(circuit, tokens=row.tokens)
    nodes: dict[Key, _Node] = {}
    for site in circuit.sites:
        _enter(nodes, site)
    for scored in circuit.nodes:
        _enter(nodes, scored.site).score = facts.score_data(scored.score)
    for member in (s for sites in circuit.groups.values() for s in sites):
        if _key(member) in nodes:
            _enter(nodes, member)
    number = {key: i for i, key in enumerate(nodes)}
    ends = [(number[_key(e.source)], -1 if e.target is None else number[_key(e.target)]) for e in circuit.edges]
    listed = list(nodes.values())
    _infer(listed, ends)
    towers = _towers(listed, ends)
    shots = {image.tower: image for image in images}
    axes = {t: _axis(t, listed, circuit, found, _wide(shots, t)) for t in towers}
    curve = circuit.trust.curve if circuit.trust is not None else ()
    return {
        "schema": 1,
        "title": _cut(title),
        "name": _cut(circuit.name),
        "model": _cut(circuit.model),
        "unit": _cut(circuit.origin.unit if circuit.origin else ""),
        "readout": _cut(circuit.origin.readout if circuit.origin else "readout"),
        "weights": circuit.origin.weights if circuit.origin else "",
        "failures": [_cut(x) for x in (circuit.trust.failures if circuit.trust else ())],
        "origin": [[name, _cut(said)] for name, said in (*facts.origin_lines(circuit), *facts.row_lines(row))],
        "trust": [list(line) for line in trust_facts(circuit)],
        "notes": [_cut(x) for x in (circuit.trust.notes if circuit.trust else ())],
        "measured": circuit.trust is not None,
        "curve": [[p.size, p.share, p.faithful, *facts.ends(p.interval)] for p in curve],
        "towers": [_tower(t, level, axes[t], circuit, shots) for t, level in towers.items()],
        "nodes": [_drawn(n, axes[n.tower], circuit, shots, list(towers), found) for n in listed],
        "edges": [
            [*pair, "" if e.target is None else place(e.target).port, facts.score_data(e.score)]
            for pair, e in zip(ends, circuit.edges, strict=True)
        ],
        "links": _links(nodes, number, circuit),
        "groups": _groups(circuit, number),
    }


def _key(site: Site) -> Key:
    return place(site).part, site.position


def _enter(nodes: dict[Key, _Node], site: Site) -> _Node:
    where = place(site)
    node = nodes.setdefault((where.part, site.position), _Node(where, site.position, tower=where.tower))
    node.sites[f"{site.address} @ {site.position}"] = None
    node.rank = where.rank if where.rank is not None else node.rank
    return node


def _infer(nodes: Sequence[_Node], ends: Sequence[tuple[int, int]]) -> None:
    """Rows for what has none by its address: above all that leads to it, else below all that it leads to."""
    families: dict[str, list[int]] = {}
    for i, n in enumerate(nodes):
        if n.place.rank is None:
            name = n.place.part.split(".", 1)[0] if n.place.kind != "module" else n.place.part
            families.setdefault(name, []).append(i)
    open_ = {i for members in families.values() for i in members}
    for _ in range(len(families)):
        for members in families.values():
            if not open_.intersection(members):
                continue
            below = [nodes[s] for s, t in ends if t in members and s not in open_]
            above = [nodes[t] for s, t in ends if s in members and t >= 0 and t not in open_]
            if not below and not above:
                continue
            # A row of its own between its neighbours: halves lie between the whole numbers of known rows.
            best = max(below, key=lambda n: (n.place.level, n.rank)) if below else min(above, key=lambda n: n.rank)
            for i in members:
                nodes[i].rank = best.rank + (0.5 if below else -0.5)
                nodes[i].tower = best.tower
            open_.difference_update(members)


def _towers(nodes: Sequence[_Node], ends: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The towers from the bottom up, and the level of each; those that no edge joins stand side by side."""
    levels = {n.tower: n.place.level if n.place.tower == n.tower else 2 for n in reversed(nodes)}
    crossing = any(t >= 0 and nodes[s].tower != nodes[t].tower for s, t in ends)
    reading = {nodes[s].tower for s, t in ends if t < 0}
    if not crossing and len(reading) > 1:
        levels = dict.fromkeys(levels, 2)
    return dict(sorted(levels.items(), key=lambda item: (item[1], item[0])))


def _wide(shots: dict[str, PageImage], tower: str) -> int:
    """Columns of the grid that the patches of a tower stand in; 0 where no image is known."""
    shot = shots.get(tower) or (next(iter(shots.values())) if len(shots) == 1 else None)
    return 0 if shot is None else shot.grid[1]


def _axis(tower: str, nodes: Iterable[_Node], circuit: Circuit, found: Found, wide: int) -> Axis:
    own = {p: i for (t, p), i in found.items() if t == tower}
    return axis((n.position for n in nodes if n.tower == tower), circuit.tokens.get(tower, ()), own, wide)


def _tower(name: str, level: int, along: Axis, circuit: Circuit, shots: dict[str, PageImage]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": name,
        "title": names.tower_title(name),
        "level": level,
        "columns": [[_cut(c.label), _cut(c.note), c.index] for c in along.columns],
        "tokens": [_cut(t) for t in circuit.tokens.get(name, ())],
    }
    if name in shots:
        out["image"] = shots[name].data()
    return out


def _drawn(
    n: _Node, along: Axis, circuit: Circuit, shots: dict[str, PageImage], towers: Sequence[str], found: Found
) -> dict[str, Any]:
    own = {p: i for (t, p), i in found.items() if t == n.tower}
    token = token_at(n.position, circuit.tokens.get(n.tower, ()), own)
    label = names.short(n.place)
    out: dict[str, Any] = {
        "id": _cut(f"{n.place.part} @ {n.position}"),
        "label": _cut(label),
        "full": _cut(names.full(n.place, n.position, shown(token))),
        "kind": n.place.kind,
        "tower": towers.index(n.tower),
        "row": n.rank,
        "layer": n.place.layer,
        "number": n.place.number,
        "col": along.of.get(n.position, -1),
        "sites": [_cut(s) for s in n.sites],
    }
    shot = next((s for s in shots.values() if s.tower == n.tower or n.position.kind == "image"), None)
    at = shot.patch(n.position, n.tower) if shot is not None else None
    if at is not None and shot is not None:
        out["patch"] = [towers.index(shot.tower) if shot.tower in towers else -1, at]
        row, column = divmod(at, shot.grid[1])
        out["full"] = _cut(f"{out['full']}, patch {row},{column} (row, column)")
    if n.place.kind == "embed" and token and along.of:
        out["label"] = _cut(shown(token))
    if n.score is not None:
        out["score"] = n.score
    return out


def _links(nodes: dict[Key, _Node], number: dict[Key, int], circuit: Circuit) -> list[list[int]]:
    """Attention: a head that reads keys or values at one position and writes at another, or that shares them."""
    read = {_key(e.target): None for e in circuit.edges if e.target is not None and place(e.target).port in ("k", "v")}
    wrote = {_key(e.source): None for e in circuit.edges if nodes[_key(e.source)].place.kind == "head"}
    wrote |= {_key(e.target): None for e in circuit.edges if e.target is not None and place(e.target).port == "q"}
    by_part: dict[str, list[Key]] = {}
    for key in wrote:
        by_part.setdefault(key[0], []).append(key)
    found = [(a, b) for a in read for b in by_part.get(a[0], ()) if a != b]
    found += [
        (a, b) for a in read if nodes[a].place.kind == "kv" for b in wrote if _shares(nodes[a], nodes[b], circuit)
    ]
    return [[number[a], number[b]] for a, b in found if _sees(a[1], b[1], circuit)]


def _shares(kv: _Node, head: _Node, circuit: Circuit) -> bool:
    """Whether a head is one of those that read these keys and values."""
    a, b = kv.place, head.place
    if b.kind != "head" or b.number is None or (a.tower, a.layer, a.cross) != (b.tower, b.layer, b.cross):
        return False
    return b.number // circuit.shared.get(a.tower, 1) == a.number


def _sees(key: Position, query: Position, circuit: Circuit) -> bool:
    """Whether attention may lead there; where both places are known, it looks back only."""
    longest = max((len(t) for t in circuit.tokens.values()), default=0)
    a, b = index_of(key, longest), index_of(query, longest)
    return a is None or b is None or key.kind == "image" or a <= b


def _groups(circuit: Circuit, number: dict[Key, int]) -> list[dict[str, Any]]:
    found = []
    for name, sites in circuit.groups.items():
        members = list(dict.fromkeys(number[_key(s)] for s in sites if _key(s) in number))
        if members:
            found.append({"name": _cut(name), "members": members})
    return found


def _cut(text: str) -> str:
    """Without control characters, and of a length that a page bears."""
    plain = clean(text).replace("\n", " ")
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
