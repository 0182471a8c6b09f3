"""The sizes of a model that its cost depends on: read off its modules, which need hold no numbers.

A matrix is multiplied once for each position, whatever a family calls it or packs into it, so the shapes of the
parameters of a block say what it costs; only attention itself, which has no parameters, is calculated by its heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from causalcircuit.models import LoadedModel, block_lists
from causalcircuit.query import Tower


@dataclass(frozen=True, slots=True)
class LayerDims:
    """One block.

    Attributes:
        linear: entries of the matrices that every position is multiplied with, active experts included.
        seen: those among them that make queries, keys and values of self-attention.
        cross: further ones that make keys and values of the other tower's positions.
        heads, head_dim: of the attention. widest: the widest vector inside. modules: leaves that are called.
        copies: how many vectors of the widest kind live at once in its MLP.
    """

    linear: int
    seen: int
    cross: int
    heads: int
    head_dim: int
    widest: int
    modules: int
    copies: int


@dataclass(frozen=True, slots=True)
class TowerDims:
    """A tower: its blocks, and what stands before and behind them on its own positions."""

    tower: Tower
    layers: tuple[LayerDims, ...]
    embed: int = 0

    @property
    def width(self) -> int:
        """Of the stream."""
        return self.tower.width


@dataclass(frozen=True, slots=True)
class ModelDims:
    """A model.

    Attributes:
        towers: in order of computation.
        unembed: entries of the matrix that makes logits. vocabulary: how many there are.
        head: entries of matrices before it, on the same positions.
        pooled: entries of matrices on one vector an item. merge: on the positions of an image in a text.
        weights: bytes of parameters and buffers, shared ones counted once.
        size: bytes of one number. eager: whether attention patterns are made, not only what is read through them.
    """

    towers: tuple[TowerDims, ...]
    unembed: int
    vocabulary: int
    head: int
    pooled: int
    merge: int
    weights: int
    size: int
    eager: bool

    def tower(self, name: str) -> TowerDims:
        """The tower called `name`."""
        return next(t for t in self.towers if t.tower.name == name)


_POOLED = ("pooler", "classifier", "score", "visual_projection", "text_projection", "pre_classifier")
_MERGED = ("merger", "projector", "connector", "multi_modal")


def dims_of(model: LoadedModel) -> ModelDims:
    """The sizes of a model, loaded or sketched."""
    hf = model.hf
    lists = block_lists(hf, [t.layers for t in model.sites.towers])
    towers: list[TowerDims] = []
    inside: set[int] = set()
    for i, tower in enumerate(model.sites.towers):
        blocks = lists[i] if i < len(lists) else []
        inside |= {id(m) for b in blocks for m in b.modules()}
        source = model.sites.source(tower) if tower.cross else None
        towers.append(TowerDims(tower, tuple(_layer(b, tower, source, hf.config) for b in blocks)))
    rest = _rest(hf, inside)
    words = _unembedding(hf)
    taken = {id(words)} if words is not None else set()
    spare = [(n, m) for n, m in rest if id(m.weight) not in taken]
    pooled = [m for n, m in spare if any(p in n for p in _POOLED)]
    merge = [m for n, m in spare if any(p in n for p in _MERGED) and m not in pooled]
    other = [m for _, m in spare if m not in pooled and m not in merge]
    patches = [m for m in other if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    seen = next((i for i, t in enumerate(towers) if t.tower.modality != "text"), None)
    if seen is not None:
        t = towers[seen]
        towers[seen] = TowerDims(t.tower, t.layers, _entries(patches))
    tensors = {id(t): t.numel() * t.element_size() for t in (*hf.parameters(), *hf.buffers())}
    return ModelDims(
        tuple(towers),
        0 if words is None else words.numel(),
        0 if words is None else int(words.shape[0]),
        _entries([m for m in other if m not in patches]),
        _entries(pooled),
        _entries(merge),
        sum(tensors.values()),
        next(p for p in hf.parameters() if p.is_floating_point()).element_size(),
        getattr(hf.config, "_attn_implementation", "sdpa") == "eager",
    )


def _layer(block: nn.Module, tower: Tower, source: Tower | None, config: Any) -> LayerDims:
    embedded = {id(m.weight) for m in block.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for p in block.parameters() if p.ndim == 2 and id(p) not in embedded]
    stacked = [p for p in block.parameters() if p.ndim == 3]
    wide = tower.groups * tower.head_dim
    cross = 2 * source.width * wide if source is not None else 0
    linear = sum(p.numel() for p in matrices) - cross
    active = _active(config)
    linear += sum(p[0].numel() * min(active, len(p)) for p in stacked)
    return LayerDims(
        linear,
        tower.width * (2 * wide + tower.heads * tower.head_dim),
        cross,
        tower.heads,
        tower.head_dim,
        max((max(p.shape[-2:]) for p in (*matrices, *stacked)), default=tower.width),
        sum(1 for m in block.modules() if not any(True for _ in m.children())),
        _copies(matrices, block),
    )


_WRITTEN_OUT = ("NewGELU", "FastGELU")
"""Activations in Python, with a vector for each of their steps."""


def _copies(matrices: list[nn.Parameter], block: nn.Module) -> int:
    """Vectors of the MLP's width that live at once: one before and one after an activation, a third beside a gate."""
    widest = max((max(p.shape) for p in matrices), default=0)
    gated = sum(1 for p in matrices if max(p.shape) == widest) > 2
    steps = any(type(m).__name__.startswith(_WRITTEN_OUT) for m in block.modules())
    return 5 if steps else 3 if gated else 2


def _active(config: Any) -> int:
    """Experts that a position goes through."""
    inner = config.get_text_config()
    for name in ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "top_k"):
        value = getattr(inner, name, None)
        if isinstance(value, int):
            return value
    return 1


def _rest(hf: nn.Module, inside: set[int]) -> list[tuple[str, Any]]:
    """Linear maps and convolutions outside the blocks, by path."""
    return [
        (name, m)
        for name, m in hf.named_modules()
        if id(m) not in inside
        and not isinstance(m, nn.Embedding)
        and isinstance(getattr(m, "weight", None), nn.Parameter)
        and m.weight.ndim >= 2
    ]


def _unembedding(hf: Any) -> torch.Tensor | None:
    parts: Iterable[Any] = (m for m in hf.modules() if hasattr(m, "get_output_embeddings"))
    for m in parts:
        try:
            head = m.get_output_embeddings()
        except (NotImplementedError, AttributeError):
            continue
        weight = getattr(head, "weight", None)
        if isinstance(weight, nn.Parameter):
            return weight
    return None


def _entries(modules: Iterable[Any]) -> int:
    return sum(_numels(modules))


def _numels(modules: Iterable[Any]) -> Iterator[int]:
    for m in modules:
        yield int(m.weight.numel())
