"""The addresses that a table of sites has: all in order, and those that a message offers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from causalcircuit.query.address import Part
from causalcircuit.query.towers import Tower


def all_addresses(towers: Sequence[Tower], projector: bool, neurons: bool = False) -> Iterator[str]:
    """Every local address, in order of computation; neurons and attention patterns by their first one."""
    for tower in towers:
        yield f"{tower.prefix}embed"
        for i in range(tower.layers):
            for name in _layer_addresses(tower, i, neurons):
                if re.sub(r"\[\d+\]", "", name) not in dict(tower.missing):
                    yield f"{tower.prefix}layer[{i}].{name}"
        if "final_norm" not in dict(tower.missing):
            yield f"{tower.prefix}final_norm"
        if tower.name not in ("", "decoder"):
            yield f"{tower.prefix}out"
        if projector and tower.modality != "text":
            yield "projector.out"


def _layer_addresses(tower: Tower, layer: int, neurons: bool) -> Iterator[str]:
    heads, groups = range(tower.heads), range(tower.groups)
    yield from ("resid_in", "attn.in")
    for lead in ("", "cross.") if tower.cross else ("",):
        if lead:
            yield "resid_mid"
        yield from (f"{lead}head[{j}].q" for j in heads)
        yield from (f"{lead}kv[{j}].{x}" for x in "kv" for j in groups)
        yield from (f"{lead}head[{j}].pattern[0]" for j in heads)
        yield from (f"{lead}head[{j}].out" for j in heads)
        yield f"{lead}out" if lead else "attn.out"
    if not tower.cross:
        yield "resid_mid"
    yield "mlp.in"
    if tower.mixed(layer):
        yield "router"
        yield from (f"expert[{e}].out" for e in range(tower.experts))
    else:
        yield from (f"mlp.neuron[{k}]" for k in range(tower.mlp if neurons else 1))
    yield from ("mlp.out", "resid")


def possible_steps(path: tuple[Part, ...], tower: Tower, projector: bool) -> tuple[str, ...]:
    """Names that could stand in an address of `tower` (for a message)."""
    inside = [
        "resid_in",
        "resid_mid",
        "resid",
        "attn.in",
        "attn.out",
        "head[j].out",
        "mlp.in",
        "mlp.out",
        "mlp.neuron[k]",
        "head[j].q",
        "kv[j].k",
        "kv[j].v",
        "head[j].pattern[k]",
    ]
    if tower.experts:
        inside += ["router", "expert[e].out"]
    if tower.cross:
        inside += ["cross.head[j].out", "cross.out", "cross.head[j].q", "cross.kv[j].k", "cross.kv[j].v"]
    inside = [s for s in inside if re.sub(r"\[\w\]", "", s) not in dict(tower.missing)]
    if path:
        return tuple(inside)
    top = [f"{tower.prefix}embed", *(f"{tower.prefix}layer[i].{s}" for s in inside), f"{tower.prefix}final_norm"]
    if tower.name not in ("", "decoder"):
        top.append(f"{tower.prefix}out")
    return tuple([*top, "projector.out"] if projector else top)
