"""The towers of a model: its stacks of blocks, what their positions are, and what joins them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from causalcircuit.models.discover.blocks import block_of
from causalcircuit.models.discover.cores import Operands, seen_operands
from causalcircuit.models.discover.numbers import geometry, tower_of
from causalcircuit.models.feed import Feed, parts
from causalcircuit.models.records import Records, flat, recorded, same
from causalcircuit.models.roles import Block, Projector, RoleError, Stack

Modality = Literal["text", "image", "audio"]


@dataclass(frozen=True, slots=True, eq=False)
class Discovery:
    """What one pass shows: the stacks, in order of computation, and the projector of a vision-language model."""

    stacks: tuple[Stack, ...]
    projector: Projector | None


def discover(hf: Any, feeds: Sequence[Feed], run: Any) -> Discovery:
    """Find the roles of a model's modules.

    Args:
        hf: the model.
        feeds: what the pass is fed; towers must have different numbers of positions.
        run: makes the pass.

    Raises:
        RoleError: a role cannot be found.
    """
    with seen_operands(hf) as seen, recorded(hf) as records:
        run()
    lists = _lists(hf, records)
    if not lists:
        raise RoleError("no stack of blocks was found")
    counts = {
        "text": sum(len(f.ids or ()) for f in feeds),
        "source": sum(len(f.source or ()) for f in feeds),
    }
    found: list[tuple[nn.ModuleList, Modality, tuple[Block, ...]]] = []
    for m in lists:
        places = len(flat(records[m[0]].inputs[0]))
        text = places in (counts["text"], counts["source"])
        media = "audio" if any("input_features" in f.media or "input_values" in f.media for f in feeds) else "image"
        config = _config_of(hf, m)
        blocks = tuple(_block(hf, m, i, config, records, seen) for i in range(len(m)))
        found.append((m, "text" if text else cast(Modality, media), blocks))
    names = _names([(modality, blocks) for _, modality, blocks in found])
    stacks = []
    for (m, modality, blocks), name in zip(found, names, strict=True):
        norm = _norm(hf, m, records)
        tower = tower_of(name, modality, blocks, norm is not None, records)
        calls = 1 if norm is None else records[norm].calls
        stacks.append(Stack(geometry(tower, hf, m, feeds, records), blocks, norm, calls))
    return Discovery(tuple(stacks), _projector(hf, stacks, feeds, records))


def _block(
    hf: nn.Module,
    blocks: nn.ModuleList,
    i: int,
    config: object,
    records: Records,
    seen: Mapping[nn.Module, Operands],
) -> Block:
    try:
        return block_of(blocks[i], config, records, seen)
    except RoleError as problem:
        raise RoleError(f"in block {i} of {_path(hf, blocks)}: {problem}") from None


def _lists(hf: nn.Module, records: Records) -> list[nn.ModuleList]:
    found = [
        m
        for m in hf.modules()
        if isinstance(m, nn.ModuleList)
        and len(m) > 0
        and all(isinstance(c, GradientCheckpointingLayer) and c in records for c in m)
    ]
    return sorted(found, key=lambda m: records[m[0]].order)


def _path(hf: nn.Module, module: nn.Module) -> str:
    return next((name for name, m in hf.named_modules() if m is module), "?")


def _config_of(hf: nn.Module, blocks: nn.Module) -> object:
    """The config of the innermost module around a list of blocks that has one."""
    holders = [m for m in hf.modules() if blocks in set(m.modules()) and hasattr(m, "config")]
    return holders[-1].config if holders else None


def _names(towers: Sequence[tuple[Modality, tuple[Block, ...]]]) -> list[str]:
    """Addresses start with these: a decoder with cross-attention and its encoder, else the text's tower is plain."""
    crossed = [any(b.cross is not None for b in blocks) for _, blocks in towers]
    if any(crossed):
        names = ["decoder" if c else "encoder" for c in crossed]
    elif len(towers) == 1:
        names = [""]
    else:
        names = [{"text": "", "image": "vision", "audio": "audio"}[modality] for modality, _ in towers]
    twice = [n for n, count in Counter(names).items() if count > 1]
    if twice or len(names) > 2:
        raise RoleError(f"{len(names)} stacks of blocks that no address tells apart")
    return names


def _norm(hf: nn.Module, blocks: nn.ModuleList, records: Records) -> nn.Module | None:
    """The first norm that is fed all of the last block's output."""
    last = blocks[-1]
    stream = records[last].output
    if stream is None:
        raise RoleError("the last block returns no tensor")
    inside = set(blocks.modules())
    later = [
        m
        for m, r in records.items()
        if r.order > records[last].order
        and m not in inside
        and not any(True for _ in m.children())
        and _normalises(m, stream.shape[-1])
        and any(same(x, stream) for x in r.inputs)
        and r.output is not None
        and flat(r.output).shape == flat(stream).shape
    ]
    return min(later, key=lambda m: records[m].order, default=None)


def _normalises(leaf: nn.Module, width: int) -> bool:
    """Whether a leaf has a weight a component, or none and is called a norm (OLMo's)."""
    weights = list(leaf.parameters())
    return all(w.shape == (width,) for w in weights) and (bool(weights) or "norm" in type(leaf).__name__.lower())


def _projector(hf: Any, stacks: Sequence[Stack], feeds: Sequence[Feed], records: Records) -> Projector | None:
    """The outermost module between an image tower and a language model that gives what stands at image tokens."""
    seen = [s for s in stacks if s.tower.modality != "text"]
    read = [s for s in stacks if s.tower.modality == "text" and not s.tower.cross]
    if len(stacks) != 2 or not seen or not read or not any(f.pictured for f in feeds):
        return None
    first, last = read[0].blocks[0].module, seen[0].blocks[-1].module
    width = read[0].tower.width
    count, tiles = sum(len(f.pictured) for f in feeds), sum(parts(f.media) for f in feeds)
    blocks = {b.module for s in stacks for b in s.blocks}
    made = [
        (m, flat(out))
        for m in hf.modules()
        if m in records
        and (out := records[m].output) is not None
        and records[last].order < records[m].order < records[first].order
        and not blocks & set(m.modules())
        and out.shape[-1] == width
    ]
    stream = flat(records[first].inputs[0])
    # One for each token of the image, or for each patch of each tile, of which padding and joins make tokens.
    for m, out in made:
        if len(out) == count and _stands_in(out, stream):
            return Projector(m, width)
    for m, out in made:
        if len(out) > count - len(out) and len(out) % tiles == 0 and _stands_in(out, stream):
            return Projector(m, width, len(out) // tiles)
    raise RoleError("what turns an image into tokens of the language model does not show")


def _stands_in(made: Tensor, stream: Tensor) -> bool:
    """Whether a language model's stream begins with most lines of what was made, up to one factor."""
    lines = torch.nn.functional.normalize(made.double(), dim=-1)
    shown = lines @ torch.nn.functional.normalize(stream.double(), dim=-1).T
    return bool(((shown.abs().amax(1) > 1 - 1e-6).double().mean() > 0.5).item())
