"""What a terminal calls the nodes and wires of a circuit: `0.2` for a head, `1.3.q` for what it reads, `mlp 1`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from causalcircuit.query import Position, Site
from causalcircuit.query.circuit import Circuit

READOUT = "readout"
_HEAD = re.compile(r"layer\[(\d+)\]\.(cross\.)?(head|kv)\[(\d+)\]\.(\w+)$")
_PART = re.compile(r"layer\[(\d+)\]\.(attn|cross|mlp)\.(in|out)$")
_NEURON = re.compile(r"layer\[(\d+)\]\.(mlp\.neuron|expert)\[(\d+)\](?:\.out)?$")
_LOOKED = re.compile(r"\.[kv]$")
_LAYER = re.compile(r"layer\[(\d+)\]\.")


def short(site: Site | None) -> str:
    """A node: `0.2`, `mlp 1`, `0.mlp[17]`, `embed@subj`; a read says which: `1.3.q`. Positions where they are some."""
    if site is None:
        return READOUT
    name, at = _parts(site)
    return f"{name}{at}"


def wire_name(source: Site, target: Site | None, readout: str = READOUT) -> str:
    """A wire: `0.2 -> 1.3.q`. Keys and values are read where what is written stands: it is said once."""
    if target is None:
        return f"{short(source)} -> {readout}"
    name, at = _parts(target)
    once = source.position == target.position and _LOOKED.search(name)
    return f"{short(source)} -> {name}{'' if once else at}"


def _parts(site: Site) -> tuple[str, str]:
    """The name of a node, and of its position."""
    local = site.address.local
    lead = f"{site.address.path[0].name} " if len(site.address.path) > 1 and _tower(site) else ""
    rest = local.partition(".")[2] if lead else local
    at = place_name(site.position)
    if rest == "embed" and at.startswith("@patch "):
        return f"{lead}{at[1:]}", ""
    return f"{lead}{_bare(rest)}", at


def place_name(position: Position) -> str:
    """A position in short: `@last`, `@subj` for the word in that column, `@patch 17`; nothing for all of them."""
    if position.kind == "all":
        return ""
    plain = not position.offset and position.number is None
    if position.kind in ("token", "span") and plain and position.words:
        word = position.words[0]
        return f"@{word.column or word.literal}"
    if position.kind == "image":
        return f"@patch {position.index}"
    if position.kind in ("inside", "outside"):
        return f"@{position.kind} {position.mask}"
    if position.kind == "list" and not position.offset:
        return f"@{'+'.join(place_name(p)[1:] or 'all' for p in position.parts)}"
    if position.kind == "except" and not position.offset:
        whole, *less = (place_name(p)[1:] or "all" for p in position.parts)
        return f"@{whole} but {', '.join(less)}"
    return f"@{position}"


def _bare(local: str) -> str:
    head = _HEAD.match(local)
    if head is not None:
        layer, across, kind, number, what = head.groups()
        name = f"{'×' if across else ''}{'kv ' if kind == 'kv' else ''}{layer}.{number}"
        return name if what == "out" else f"{name}.{what}"
    part = _PART.match(local)
    if part is not None:
        return f"{part.group(2)} {part.group(1)}"
    neuron = _NEURON.match(local)
    if neuron is not None:
        return f"{neuron.group(1)}.{neuron.group(2).removesuffix('.neuron')}[{neuron.group(3)}]"
    return re.sub(r"^(\w+)\.feature(\[\d+\])$", r"\1\2", local).removesuffix(".out")


def _tower(site: Site) -> bool:
    first = site.address.path[0]
    return first.index is None and first.name not in ("projector", "embed", "final_norm") and not site.address.attached


def rank_of(site: Site | None) -> tuple[int, int]:
    """The line of a node: inputs first, layer by layer, other towers before the text, the readout last."""
    if site is None:
        return 9, 0
    local = site.address.local
    order = {"vision": 0, "encoder": 0, "projector": 1, "decoder": 3}
    found = _LAYER.search(local)
    return order.get(site.address.path[0].name, 2), int(found.group(1)) if found else -1


def line_of(site: Site | None) -> str:
    """The label of a node's line."""
    if site is None:
        return READOUT
    tower = f"{site.address.path[0].name} " if _tower(site) and len(site.address.path) > 1 else ""
    found = _LAYER.search(site.address.local)
    return f"{tower}layer {found.group(1)}" if found else f"{tower}input".strip()


def node_of(site: Site | None) -> str:
    """The node that a site belongs to: a read's part, where it stands; keys and values stand elsewhere."""
    if site is None:
        return READOUT
    name, at = _parts(site)
    return _LOOKED.sub("", name) if _LOOKED.search(name) else re.sub(r"\.q$", "", name) + at


def lines(circuit: Circuit) -> list[tuple[str, list[str]]]:
    """By line, from the inputs down to the readout, the nodes of a circuit; a group by its name."""
    grouped = {site: name for name, sites in circuit.groups.items() for site in sites}
    found: dict[tuple[tuple[int, int], str], dict[str, None]] = {}
    ends: Iterable[Site | None] = (*circuit.sites, *([None] if any(e.target is None for e in circuit.edges) else []))
    placed: set[str] = set()
    standing = {_parts(s)[0] for s in circuit.sites if s.position.kind != "all" and not _LOOKED.search(_parts(s)[0])}
    for site in sorted(ends, key=rank_of):
        group = grouped.get(site) if site is not None else None
        if group in placed:
            continue  # it stands where its first node stands
        if site is not None and _LOOKED.search(_parts(site)[0]) and node_of(site) in standing:
            continue  # it stands there at its positions
        placed |= set() if group is None else {group}
        name = group or (circuit.origin.readout if site is None and circuit.origin is not None else node_of(site))
        found.setdefault((rank_of(site), line_of(site)), {})[name] = None
    return [(label, sorted(names, key=_natural)) for (_, label), names in sorted(found.items(), key=lambda x: x[0][0])]


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text) if p]
