"""A tower's numbers, from its modules and from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import nn

from causalcircuit.models.feed import Feed, parts
from causalcircuit.models.records import Records, flat
from causalcircuit.models.roles import Block, RoleError
from causalcircuit.query import Tower
from causalcircuit.query.outline import NO_NORM, PARALLEL

_PATTERN = "its attention does not calculate a pattern that could be seen (`attention = eager` may)"
_CUT = "its attention looks at one image, or one window of it, at a time: there is no pattern over all positions"


def tower_of(
    name: str, modality: Literal["text", "image", "audio"], blocks: Sequence[Block], normed: bool, records: Records
) -> Tower:
    """A tower whose blocks agree in all that addresses depend on.

    Raises:
        RoleError: they differ.
    """
    first = blocks[0]
    dense = [b for b in blocks if b.mixture is None]
    sparse = tuple(i for i, b in enumerate(blocks) if b.mixture is not None)
    shapes = {(b.attention.heads, b.attention.groups, b.attention.head_dim, b.order) for b in blocks}
    neurons = {records[b.last].inputs[0].shape[-1] for b in dense if b.last is not None}
    experts = {b.mixture.count for b in blocks if b.mixture is not None}
    if len(shapes) > 1 or len(neurons) > 1 or len(experts) > 1:
        raise RoleError(f"the blocks of `{name}` differ in their heads, order or widths")
    missing: list[tuple[str, str]] = []
    if first.order == "parallel":
        missing.append(("resid_mid", PARALLEL))
    if not normed:
        missing.append(("final_norm", NO_NORM))
    if not all(b.attention.pattern for b in blocks):
        cut = any(b.attention.caught == "split" for b in blocks)
        missing.append(("head.pattern", _CUT if cut else _PATTERN))
    cross = [b.cross for b in blocks if b.cross is not None]
    if cross and len(cross) != len(blocks):
        raise RoleError(f"{len(cross)} of the {len(blocks)} blocks of `{name}` have a cross-attention")
    if cross and not all(c.pattern for c in cross):
        missing.append(("cross.head.pattern", _PATTERN))
    return Tower(
        name=name,
        modality=modality,
        layers=len(blocks),
        heads=first.attention.heads,
        head_dim=first.attention.head_dim,
        width=records[first.module].inputs[0].shape[-1],
        mlp=neurons.pop() if neurons else 0,
        causal=False,
        cross=bool(cross),
        kv_heads=0 if first.attention.groups == first.attention.heads else first.attention.groups,
        experts=experts.pop() if experts else 0,
        sparse=sparse if sparse and len(sparse) < len(blocks) else None,
        parallel=first.order == "parallel",
        missing=tuple(missing),
    )


def geometry(tower: Tower, hf: Any, blocks: nn.ModuleList, feeds: Sequence[Feed], records: Records) -> Tower:
    """An image tower with its grid of patches and what precedes it; a sound tower with its frames."""
    if tower.modality == "text":
        return tower
    places = len(flat(records[blocks[0]].inputs[0]))
    each, over = divmod(places, sum(parts(f.media) for f in feeds))
    if over:
        raise RoleError(f"how the {places} positions of `{tower.name}` are shared among its images does not show")
    if any(x.ndim == 2 for f in feeds for n, x in f.media.items() if n == "pixel_values"):
        if each != 1:
            raise RoleError(f"`{tower.name}` has {each} positions for each packed patch")
        return tower  # as many positions as an image has patches
    holders = [m for m in hf.modules() if blocks in set(m.modules()) and hasattr(m, "config")]
    config = holders[-1].config if holders else None
    size, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if tower.modality == "image" and size is not None and patch is not None:
        (high, wide), (down, right) = _pair(size), _pair(patch)
        grid = high // down, wide // right
        if each >= grid[0] * grid[1] and each - grid[0] * grid[1] <= 8:
            return replace(tower, cls=each - grid[0] * grid[1], patches=grid)
    return replace(tower, frames=each)


def _pair(x: Any) -> tuple[int, int]:
    return (int(x[0]), int(x[1])) if isinstance(x, list | tuple) else (int(x), int(x))
