"""Routes through a circuit: a read's part writes that part's output, so wires join into paths.

A wire into `layer[1].head[3].q` ends in the part that writes `layer[1].head[3].out`: the next wire leaves there.
Queries and MLPs work at their own position; keys and values are looked at from others, so they reach every output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from causalcircuit.query.address import Part
from causalcircuit.query.circuit import Circuit, CircuitEdge
from causalcircuit.query.circuits.sets import part as part_of
from causalcircuit.query.expr import Site
from causalcircuit.query.relations import relation

Place = tuple[str, int, str]
"""A tower, a layer and a part of it: `attn`, `cross`, `mlp`; or the projector."""
_PROJECTOR = ("", -1, "projector")


def place_of(site: Site) -> tuple[Place, Part | None, str] | None:
    """The part of a block that a site belongs to, the head of it, and what of it the site is.

    `None` for what is no part's: an embedding, the stream, a module by its path, a dictionary.
    """
    path = site.address.path
    if [p.name for p in path] == ["projector", "out"]:
        return _PROJECTOR, None, "both"
    at = next((i for i, p in enumerate(path) if p.name == "layer"), None)
    if at is None or site.address.attached or not isinstance(path[at].index, int):
        return None
    tower = path[0].name if at else ""
    rest = path[at + 1 :]
    across = bool(rest) and rest[0].name == "cross"
    rest = rest[1:] if across else rest
    names = [p.name for p in rest]
    where = int(str(path[at].index))
    attention = "cross" if across else "attn"
    if names[:1] in (["head"], ["kv"]) and len(names) == 2:
        return (tower, where, attention), rest[0], names[1]
    if names == ["out"] and across:
        return (tower, where, "cross"), None, "out"
    if names in (["attn", "in"], ["attn", "out"], ["mlp", "in"], ["mlp", "out"]):
        return (tower, where, names[0]), None, names[1]
    if names in (["mlp", "neuron"], ["expert", "out"]):
        return (tower, where, "mlp"), rest[0], "out"
    return None


def belongs(read: Site, write: Site, shared: Mapping[str, int] | None = None) -> bool:
    """Whether what reads at `read` is what writes `write`.

    Args:
        read: where a wire ends. write: where one leaves. shared: as in `Circuit`.
    """
    if read.address == write.address:
        return _reads(read) and _near(read, write)
    reader, writer = place_of(read), place_of(write)
    if reader is None or writer is None or reader[0] != writer[0]:
        return False
    (tower, _, _), head, what = reader
    if what not in ("q", "k", "v", "in", "both") or writer[2] not in ("out", "both"):
        return False
    other = writer[1]
    if head is not None and other is not None and other.name == "head":
        owner = other.index
        if head.name == "kv" and isinstance(owner, int):
            owner = owner // (shared or {}).get(tower, 1)
        if owner != head.index:
            return False
    mixing = what in ("k", "v") or (reader[0][2] == "attn" and what == "in")
    return mixing or _near(read, write)


def _reads(site: Site) -> bool:
    """Whether a wire may end in what writes: a neuron, an expert, a feature, a projector; no head and no embedding."""
    names = [p.name for p in site.address.path]
    return names[-1] != "embed" and names[-2:] != ["head", "out"]


def _near(read: Site, write: Site) -> bool:
    return relation(read.position, write.position) != "apart"


def meets(site: Site, other: Site) -> bool:
    """Whether two sites are one, at positions that are not apart."""
    return site.address == other.address and _near(site, other)


def paths(circuit: Circuit, start: Iterable[Site], end: Iterable[Site] | None) -> Circuit:
    """The wires of a circuit on some route from a node of `start` to one of `end`; `None` is the readout."""
    onward, first, last = _graph(circuit, tuple(start), None if end is None else tuple(end))
    back: dict[int, list[int]] = {}
    for i, following in onward.items():
        for j in following:
            back.setdefault(j, []).append(i)
    kept = _reached(onward, first) & _reached(back, last)
    chosen = {id(circuit.edges[i]) for i in kept}
    return part_of(circuit, lambda e: id(e) in chosen, lambda _: False)


def routes(
    circuit: Circuit, start: Iterable[Site], end: Iterable[Site] | None, most: int = 1000
) -> tuple[tuple[CircuitEdge, ...], ...]:
    """The routes themselves, wire by wire: at most `most` of them, since their number may grow without bounds."""
    onward, first, last = _graph(circuit, tuple(start), None if end is None else tuple(end))
    back: dict[int, list[int]] = {}
    for i, following in onward.items():
        for j in following:
            back.setdefault(j, []).append(i)
    useful = _reached(back, last)
    found = (tuple(circuit.edges[i] for i in route) for s in first for route in _walk(s, onward, last, useful))
    return tuple(islice(found, most))


def _graph(
    circuit: Circuit, start: Sequence[Site], end: Sequence[Site] | None
) -> tuple[dict[int, list[int]], list[int], set[int]]:
    """By wire, the wires that go on from it; the wires that may begin a route, and those that may end one."""
    leaving: dict[Place, list[int]] = {}
    for i, e in enumerate(circuit.edges):
        found = _stand(e.source)
        if found is not None:
            leaving.setdefault(found, []).append(i)
    onward: dict[int, list[int]] = {}
    for i, e in enumerate(circuit.edges):
        found = None if e.target is None else _stand(e.target)
        if found is not None and e.target is not None:
            here = leaving.get(found, ())
            onward[i] = [j for j in here if belongs(e.target, circuit.edges[j].source, circuit.shared)]
    first = [i for i, e in enumerate(circuit.edges) if any(meets(e.source, s) for s in start)]

    def ends(target: Site | None) -> bool:
        if target is None or end is None:
            return target is None and end is None
        return any(meets(target, s) or belongs(target, s, circuit.shared) for s in end)

    return onward, first, {i for i, e in enumerate(circuit.edges) if ends(e.target)}


def _stand(site: Site) -> Place | None:
    """The part that a site belongs to; what a dictionary finds is a part of its own."""
    if site.address.attached:
        return "", -1, str(site.address)
    found = place_of(site)
    return None if found is None else found[0]


def _reached(onward: Mapping[int, Sequence[int]], start: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    waiting = list(start)
    while waiting:
        i = waiting.pop()
        if i not in seen:
            seen.add(i)
            waiting.extend(onward.get(i, ()))
    return seen


def _walk(
    start: int, onward: Mapping[int, Sequence[int]], last: set[int], useful: set[int]
) -> Iterator[tuple[int, ...]]:
    """Routes from one wire, none through a wire twice."""
    waiting: list[tuple[int, ...]] = [(start,)] if start in useful else []
    while waiting:
        route = waiting.pop()
        if route[-1] in last:
            yield route
        waiting += [(*route, j) for j in reversed(onward.get(route[-1], ())) if j in useful and j not in route]
