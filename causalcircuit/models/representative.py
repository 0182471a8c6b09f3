"""One site for each tensor, to prove it by."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from causalcircuit.models.overlay import unsettled
from causalcircuit.query import Address, Attached, Part, SiteInfo, SiteTable


@lru_cache(maxsize=65536)
def site_of(table: SiteTable, tensor: str) -> SiteInfo:
    """The site that stands for a tensor: of its heads or features the second, where there is one."""
    if unsettled(tensor) != tensor:
        return replace(site_of(table, unsettled(tensor)), tensor=tensor, step=2)
    for of in table.dictionaries:
        nodes = {f"{of.name}.features": Part("feature", min(1, of.features - 1)), f"{of.name}.error": Part("error")}
        if tensor in nodes:
            return table.info(Address("m", (Attached(of.name), nodes[tensor])))
    module = next((info for _, info in table.modules or () if info.tensor == tensor and info.address == tensor), None)
    if module is not None:
        return module
    return table.info(Address("m", tuple(_parts(address_of(table, tensor)))))


def address_of(table: SiteTable, tensor: str) -> str:
    """The local address of that site."""
    tower = next((t for t in reversed(table.towers) if t.name and tensor.startswith(t.prefix)), table.towers[-1])
    if not tensor.startswith(tower.prefix):
        tower = next(t for t in table.towers if not t.name)
    if tensor == "projector.out":
        return tensor
    local = tensor.removeprefix(tower.prefix)
    stream = re.fullmatch(r"resid\[(\d+)\]", local)
    if stream is not None:
        layer = int(stream[1])
        return f"{tower.prefix}layer[{layer - 1}].resid" if layer else f"{tower.prefix}embed"
    if local == "final_norm":
        return f"{tower.prefix}final_norm" if "final_norm" not in dict(tower.missing) else f"{tower.prefix}out"
    head, group = min(1, tower.heads - 1), min(1, tower.groups - 1)
    lead, _, last = local.rpartition(".")
    ending = {
        "z": f"head[{head}].out",
        "q": f"head[{head}].q",
        "k": f"kv[{group}].k",
        "v": f"kv[{group}].v",
        "pattern": f"head[{head}].pattern[0]",
        "neurons": "neuron[0]",
    }.get(last)
    if last.startswith("expert["):
        ending = f"{last}.out"
    return f"{tower.prefix}{local}" if ending is None else f"{tower.prefix}{lead}.{ending}"


def _parts(address: str) -> list[Part]:
    found = re.findall(r"(\w+)(?:\[(\d+)\])?", address)
    return [Part(name, int(index) if index else None) for name, index in found]


def kind_of(name: str) -> str:
    """A tensor's name without its numbers."""
    return "".join("#" if c.isdigit() else c for c in name)
