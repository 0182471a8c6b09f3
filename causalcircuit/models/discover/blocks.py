"""One block's roles."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from causalcircuit.models.discover.compose import Parts, compose, parts_of
from causalcircuit.models.discover.cores import Operands, attention_of, is_core, is_cross, is_linear, projection_of
from causalcircuit.models.records import Records, flat
from causalcircuit.models.roles import Block, Mixture, RoleError, Term

__all__ = ["block_of"]


def block_of(block: nn.Module, config: object, records: Records, seen: Mapping[nn.Module, Operands]) -> Block:
    """The roles in a block.

    Args:
        block: the module. config: of its tower. records: of one pass. seen: what attention cores calculated with.

    Raises:
        RoleError: one cannot be found.
    """
    if not records[block].inputs:
        raise RoleError("it is given no stream")
    places = len(flat(records[block].inputs[0]))
    cores = sorted((m for m in block.modules() if m in records and is_core(m)), key=lambda m: records[m].order)
    cross = [m for m in cores if is_cross(m, places, records)]
    own = [m for m in cores if m not in cross]
    if len(own) != 1 or len(cross) > 1:
        raise RoleError(f"it has {len(own)} self-attentions and {len(cross)} cross-attentions")
    pairs = [(m, projection_of(m, block, records)) for m in (own[0], *cross)]
    parts = parts_of(block, pairs[0], pairs[1] if cross else None, records)
    found = compose(parts, config, records)
    maps = _maps(parts, records)
    mixture = _mixture(parts, records)
    return Block(
        block,
        attention_of(*pairs[0], found.attention, seen[own[0]], records),
        attention_of(*pairs[1], found.cross, seen[cross[0]], records) if cross and found.cross else None,
        found.mlp,
        _reads(block, parts, maps, mixture),
        None if mixture is not None else _last(maps, found.mlp, records),
        found.order,
        found.reader,
        found.norms,
        mixture,
    )


def _maps(parts: Parts, records: Records) -> list[nn.Module]:
    """The linear maps outside the attentions, in order of computation."""
    found = [m for m in parts.block.modules() if is_linear(m) and m in records and m not in parts.inside]
    return sorted(found, key=lambda m: records[m].order)


def _last(maps: list[nn.Module], write: Term, records: Records) -> nn.Module:
    """The MLP's last projection: the last linear map onto the stream's width, no later than what the MLP writes."""
    out = records[write.module].output
    width = None if out is None else out.shape[-1]
    fits = [
        m
        for m in maps
        if (made := records[m].output) is not None
        and made.shape[-1] == width
        and records[m].order <= records[write.module].order
    ]
    if not fits:
        raise RoleError("its MLP has no last projection")
    return fits[-1]


def _reads(block: nn.Module, parts: Parts, maps: list[nn.Module], mixture: Mixture | None) -> nn.Module:
    """The module that is given what the MLP reads: the innermost that holds all of it, or its first linear map."""
    members = {*maps, *(() if mixture is None else (mixture.router, mixture.experts))}
    holders = [
        m
        for m in block.modules()
        if m is not block and members <= set(m.modules()) and not parts.inside & set(m.modules())
    ]
    if holders:
        return holders[-1]
    if not maps:
        raise RoleError("it has no MLP")
    return maps[0]


def _mixture(parts: Parts, records: Records) -> Mixture | None:
    """Experts with stacked weights, and the module beside them that scores them."""
    for m in parts.block.modules():
        stacked = [p for p in m.parameters(recurse=False) if p.ndim == 3]
        if not stacked or m not in records or m in parts.inside:
            continue
        count = len(stacked[0])
        for router in parts.block.modules():
            out = records[router].output if router in records else None
            if (
                router is not m
                and out is not None
                and out.shape[-1] == count
                and records[router].order < records[m].order
            ):
                return Mixture(router, m, count)
        raise RoleError("the router of its experts does not show")
    return None
