"""From roles to taps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from causalcircuit.models.attention import InterfaceTap, SplitTap, WatchedTap, Which
from causalcircuit.models.discover.cores import is_linear
from causalcircuit.models.experts import ExpertTap, RouterTap
from causalcircuit.models.roles import Attention, Block, Projector, Stack
from causalcircuit.models.taps import BetweenTap, ModuleTap, Tap
from causalcircuit.query import SiteTable

_OFTEN = 1 << 31
"""Calls of a module of which the first counts, however many follow."""


def taps_of(stacks: Iterable[Stack], projector: Projector | None, table: SiteTable) -> dict[str, Tap]:
    """The taps of all towers by name, in order of computation."""
    found: list[Tap] = []
    for stack in stacks:
        found.extend(_stack_taps(stack, table))
        if projector is not None and stack.tower.modality != "text":
            found.append(ModuleTap("projector.out", projector.width, "projector", projector.module, "out"))
    return {tap.name: tap for tap in found}


def _stack_taps(stack: Stack, table: SiteTable) -> Iterator[Tap]:
    tower = stack.tower
    prefix, stand, width = tower.prefix, tower.name, tower.width
    source = table.source(tower).name
    for i, block in enumerate(stack.blocks):
        at = f"{prefix}layer[{i}]"
        # Where the block before gives it: what reads a stream in passing (a hidden state kept for a projector) must see
        # what is written, and the block after would be too late.
        if i == 0:
            yield ModuleTap(f"{prefix}resid[0]", width, stand, block.module, "in")
        else:
            yield ModuleTap(f"{prefix}resid[{i}]", width, stand, stack.blocks[i - 1].module, "out")
        yield ModuleTap(f"{at}.attn.in", width, stand, block.attention.core, "in")
        yield from _attention_taps(f"{at}.", stand, stand, block.attention)
        yield ModuleTap(f"{at}.attn.out", width, stand, block.attention.write.module, "out")
        if block.order == "pre":
            write = block.attention.write
            yield BetweenTap(
                f"{at}.resid_mid", width, stand, block.module, write.module, write.scale, _norm(block.reader)
            )
        elif block.order == "post" and block.reader is not None:
            yield ModuleTap(f"{at}.resid_mid", width, stand, block.reader, "out")
        if block.cross is not None:
            yield from _attention_taps(f"{at}.cross.", stand, source, block.cross)
            yield ModuleTap(f"{at}.cross.out", width, stand, block.cross.write.module, "out")
        yield from _mlp_taps(at, stand, tower.mlp, width, block)
    last = stack.blocks[-1].module
    yield ModuleTap(f"{prefix}resid[{len(stack.blocks)}]", width, stand, last, "out")
    if stack.norm is not None:
        yield ModuleTap(f"{prefix}final_norm", width, stand, stack.norm, "out", stack.norm_calls)
    elif tower.name not in ("", "decoder"):
        # What leaves such a tower is its last stream; hooks on one module run in the order in which they are made.
        yield ModuleTap(f"{prefix}final_norm", width, stand, last, "out")


def _norm(reader: nn.Module | None) -> nn.Module | None:
    """A reader that blows rounding up: one with weights a component, no linear map."""
    return reader if reader is not None and all(p.ndim == 1 for p in reader.parameters()) else None


def _attention_taps(at: str, stand: str, keys: str, attention: Attention) -> Iterator[Tap]:
    heads = attention.heads * attention.head_dim
    groups = attention.groups * attention.head_dim
    sides: tuple[tuple[Which, int, str], ...] = (("q", heads, stand), ("k", groups, keys), ("v", groups, keys))
    for slot, (which, size, where) in enumerate(sides):
        match attention.caught:
            case "interface":
                yield InterfaceTap(f"{at}{which}", size, where, attention.core, which)
            case "linear":
                linear, calls = attention.qkv[slot]
                yield ModuleTap(f"{at}{which}", size, where, linear, "out", calls)
            case "split":
                yield SplitTap(f"{at}{which}", size, where, attention.core, which)
            case "watched":
                yield WatchedTap(f"{at}{which}", size, where, attention.core, which, attention.heads)
    if attention.pattern:
        yield WatchedTap(f"{at}pattern", attention.heads, stand, attention.core, "pattern", attention.heads)
    yield ModuleTap(f"{at}z", heads, stand, attention.projection, "in")


def _mlp_taps(at: str, stand: str, neurons: int, width: int, block: Block) -> Iterator[Tap]:
    yield ModuleTap(f"{at}.mlp.in", width, stand, block.reads, "in")
    if block.mixture is not None:
        mixture = block.mixture
        yield RouterTap(f"{at}.router", mixture.count, stand, mixture.router)
        for e in range(mixture.count):
            yield ExpertTap(f"{at}.expert[{e}]", width, stand, mixture.experts, e)
    if block.last is not None:
        yield ModuleTap(f"{at}.mlp.neurons", neurons, stand, block.last, "in")
    yield ModuleTap(f"{at}.mlp.out", width, stand, block.mlp.module, "out")


def checks_of(stacks: Iterable[Stack]) -> dict[str, Tap]:
    """What is no site, but is held against sites: what linear maps and mixtures are given and give."""
    found: list[Tap] = []
    for stack in stacks:
        for i, block in enumerate(stack.blocks):
            found.extend(_check_taps(stack, f"{stack.tower.prefix}layer[{i}]", block))
    return {tap.name: tap for tap in found}


def _check_taps(stack: Stack, at: str, block: Block) -> Iterator[Tap]:
    width, stand = stack.tower.width, stack.tower.name
    yield ModuleTap(f"{at}.given", width, stand, block.module, "in")
    for lead, core in ((f"{at}.", block.attention), (f"{at}.cross.", block.cross)):
        if core is not None:
            yield ModuleTap(f"{lead}projected", width, stand, core.projection, "out", _OFTEN)
            if core.caught == "interface":
                for which, count in _counts(core):
                    yield InterfaceTap(f"{lead}given.{which}", count * core.head_dim, stand, core.core, which)
    if block.order == "pre" and block.reader is not None:
        yield ModuleTap(f"{at}.between", width, stand, block.reader, "in", _OFTEN)
    first = _first_map(block.attention.core, block.attention.projection)
    if first is not None:
        yield ModuleTap(f"{at}.read", width, stand, first, "in", _OFTEN)
    reads = _first_map(block.reads) if block.mixture is None else block.mixture.router
    if reads is not None:
        yield ModuleTap(f"{at}.mlp.read", width, stand, reads, "in", _OFTEN)
    if block.last is not None:
        yield ModuleTap(f"{at}.mlp.made", width, stand, block.last, "out", _OFTEN)
    if block.mixture is not None:
        yield ModuleTap(f"{at}.experts", width, stand, block.mixture.experts, "out", _OFTEN)


def _counts(core: Attention) -> tuple[tuple[Which, int], ...]:
    return ("q", core.heads), ("k", core.groups), ("v", core.groups)


def _first_map(module: nn.Module, other: nn.Module | None = None) -> nn.Module | None:
    return next((m for m in module.modules() if is_linear(m) and m is not other), None)
