"""A circuit as plain data, and back: the one form that all its files share."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from causalcircuit.query.address import Address, Attached, Part, Position, Word
from causalcircuit.query.circuit import Circuit, CircuitEdge, CircuitNode, Origin, Score, SizePoint, Trust
from causalcircuit.query.circuits.schema import FORMAT, VERSION, Mismatch, check
from causalcircuit.query.estimate import Interval
from causalcircuit.query.expr import Site

_FLOATS = ("cpr", "cmd", "pearson", "spearman", "recall", "jaccard", "randomised", "alike")


def document(circuit: Circuit) -> dict[str, Any]:
    """A circuit as plain data, with the hash of its content.

    Raises:
        ValueError: a number that is not finite, a site of another model, or one that stands for several.
    """
    every = dict.fromkeys((*circuit.sites, *(s for g in circuit.groups.values() for s in g), *circuit.over))
    for site in every:
        if site.address.model != circuit.model or not site.address.concrete:
            raise ValueError(f"`{site.address}` is no single site of `{circuit.model}`")
    made: dict[str, Any] = {
        "format": FORMAT,
        "schema": VERSION,
        "name": circuit.name,
        "model": circuit.model,
        "sites": [_site(s) for s in every],
        "edges": [
            {
                "source": id_of(e.source),
                "target": None if e.target is None else id_of(e.target),
                "score": score(e.score),
            }
            for e in circuit.edges
        ],
        "nodes": [{"site": id_of(n.site), "score": score(n.score)} for n in circuit.nodes],
        "origin": None if circuit.origin is None else _origin(circuit.origin),
        "trust": None if circuit.trust is None else _trust(circuit.trust),
        "groups": {name: list(map(id_of, sites)) for name, sites in circuit.groups.items()},
        "tokens": {tower: list(texts) for tower, texts in circuit.tokens.items()},
        "over": list(map(id_of, circuit.over)),
        "shared": dict(circuit.shared),
    }
    return {**made, "sha256": digest(made)}


def digest(made: Mapping[str, Any]) -> str:
    """The hash of a document without its own: of JSON with sorted keys, no spaces, ASCII only.

    Raises:
        ValueError: a number is not finite.
    """
    content = {k: v for k, v in made.items() if k != "sha256"}
    said = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(said.encode()).hexdigest()


def circuit_of(made: Mapping[str, Any]) -> Circuit:
    """The circuit of a document that fits the schema; the hash is not looked at.

    Raises:
        Mismatch: it does not fit, or names a node that it does not describe.
    """
    check(made)
    model = made["model"]
    sites: dict[str, Site] = {}
    for said in made["sites"]:
        site = Site(Address(model, tuple(map(_part, said["path"]))), _position(said["position"]))
        if id_of(site) != said["id"]:
            raise Mismatch(f"the site `{said['id']}` is described as `{id_of(site)}`")
        if said["id"] in sites:
            raise Mismatch(f"the site `{said['id']}` stands twice")
        sites[said["id"]] = site

    def named(name: str) -> Site:
        if name not in sites:
            raise Mismatch(f"the site `{name}` is not described")
        return sites[name]

    def several(names: Iterable[str]) -> tuple[Site, ...]:
        return tuple(map(named, names))

    edges = tuple(
        CircuitEdge(named(e["source"]), None if e["target"] is None else named(e["target"]), score_of(e["score"]))
        for e in made["edges"]
    )
    double = _twice(edges)
    if double is not None:
        raise Mismatch(f"a wire from `{id_of(double.source)}` stands twice")
    return Circuit(
        made["name"],
        model,
        edges,
        tuple(CircuitNode(named(n["site"]), score_of(n["score"])) for n in made["nodes"]),
        None if made["origin"] is None else _origin_of(made["origin"]),
        None if made["trust"] is None else _trust_of(made["trust"]),
        {name: several(ids) for name, ids in made["groups"].items()},
        {tower: tuple(texts) for tower, texts in made["tokens"].items()},
        several(made["over"]),
        dict(made["shared"]),
    )


def _twice(edges: Iterable[CircuitEdge]) -> CircuitEdge | None:
    seen: set[tuple[Site, Site | None]] = set()
    for e in edges:
        if (e.source, e.target) in seen:
            return e
        seen.add((e.source, e.target))
    return None


def id_of(site: Site) -> str:
    """A site within its model: `layer[1].head[3].out @ last`."""
    return f"{site.address.local} @ {site.position}"


def score(s: Score | None) -> dict[str, Any] | None:
    """A score as plain data."""
    if s is None:
        return None
    return {"value": s.value, "interval": _interval(s.interval), "n": s.n, "selected": s.selected}


def score_of(said: Mapping[str, Any] | None) -> Score | None:
    """A score from plain data."""
    if said is None:
        return None
    return Score(float(said["value"]), _interval_of(said["interval"]), said["n"], _float(said["selected"]))


def _site(s: Site) -> dict[str, Any]:
    parts = []
    for p in s.address.path:
        part: dict[str, Any] = {"name": p.name}
        part |= {} if p.index is None else {"index": p.index}
        part |= {} if p.text is None else {"text": p.text}
        parts.append(part | ({"dictionary": True} if isinstance(p, Attached) else {}))
    return {"id": id_of(s), "path": parts, "position": _placed(s.position)}


def _part(said: Mapping[str, Any]) -> Part:
    kind = Attached if said.get("dictionary") else Part
    return kind(said["name"], said.get("index"), said.get("text"))


def _placed(p: Position) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": p.kind}
    for name in ("index", "number", "mask"):
        out |= {} if getattr(p, name) is None else {name: getattr(p, name)}
    out |= {"offset": p.offset} if p.offset else {}
    out |= {"parts": list(map(_placed, p.parts))} if p.parts else {}
    words = [{k: v for k in ("column", "literal", "within") if (v := getattr(w, k)) is not None} for w in p.words]
    return out | ({"words": words} if words else {})


def _position(said: Mapping[str, Any]) -> Position:
    words = tuple(Word(w.get("column"), w.get("literal"), w.get("within")) for w in said.get("words", ()))
    parts = tuple(map(_position, said.get("parts", ())))
    return Position(said["kind"], said.get("index"), words, said.get("number"), said.get("mask"),
                    said.get("offset", 0), parts)  # fmt: skip


def _interval(i: Interval | None) -> list[float | None] | None:
    return None if i is None else [None if x == s * math.inf else x for x, s in ((i.low, -1), (i.high, 1))]


def _interval_of(said: list[float | None] | None) -> Interval | None:
    if said is None:
        return None
    low, high = said
    return Interval(-math.inf if low is None else float(low), math.inf if high is None else float(high))


def _origin(o: Origin) -> dict[str, Any]:
    made = {f.name: getattr(o, f.name) for f in fields(o)} | {"versions": dict(o.versions)}
    return {k: v for k, v in made.items() if k != "stored" or v}  # a later word, said where it says something


def _origin_of(said: Mapping[str, Any]) -> Origin:
    return Origin(**{**said, "versions": dict(said["versions"]), "seconds": float(said["seconds"])})


def _trust(t: Trust) -> dict[str, Any]:
    out = {f.name: getattr(t, f.name) for f in fields(t)}
    curve = [
        {"size": p.size, "share": p.share, "faithful": p.faithful, "interval": _interval(p.interval)} for p in t.curve
    ]
    out |= {"curve": curve, "across": dict(t.across), "failures": [*t.failures], "notes": [*t.notes]}
    return out | {"intervals": {name: _interval(i) for name, i in t.intervals.items()}}


def _trust_of(said: Mapping[str, Any]) -> Trust:
    curve = tuple(
        SizePoint(p["size"], float(p["share"]), float(p["faithful"]), _interval_of(p["interval"]))
        for p in said["curve"]
    )
    numbers: dict[str, Any] = {name: _float(said.get(name)) for name in _FLOATS}
    ends = ((name, _interval_of(i)) for name, i in said.get("intervals", {}).items())
    numbers["intervals"] = {name: i for name, i in ends if i is not None}
    numbers["seconds"] = float(said.get("seconds", 0.0))
    across = {k: float(v) for k, v in said["across"].items()}
    words = {"failures": tuple(said["failures"]), "notes": tuple(said["notes"])}
    return Trust(**{**said, **numbers, **words, "curve": curve, "across": across})


def _float(x: float | None) -> float | None:
    return None if x is None else float(x)
