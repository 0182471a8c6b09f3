"""Tiny models of many families: one file a family, with what is true of its architecture written by hand.

A family is registered where it is defined; nobody edits a list::

    @family("gpt2", kind="decoder", facts=Facts((Tower("decoder", layers=3, ...),)))
    def gpt2(folder: Path) -> None: ...  # writes config.json, model.safetensors, tokenizer or processor
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

Kind = Literal[
    "decoder",
    "encoder",
    "encoder-decoder",
    "vision",
    "two-tower",
    "captioner",
    "audio",
    "vision-language",
]
Norm = Literal["pre", "post", "output", "sandwich", "parallel"]
Positions = Literal["learned", "rotary", "alibi", "relative", "sinusoidal", "none"]


@dataclass(frozen=True)
class Tower:
    """One stack of blocks, as the modeling file builds it; paths are those of `named_modules`.

    `norm` says where a block's norms stand, with F the attention or the MLP:
    pre: x + F(n(x)); post: n(x + F(x)); output: x + n(F(x)); sandwich: x + n'(F(n(x)));
    parallel: x + attention(n(x)) + MLP(n'(x)), where n and n' may be one norm.
    The output of the modules `attention` and `mlp`, times `multiplier` or the layer-scale, is what F adds to the stream
    (under `post` before the norm) unless the family's notes say otherwise.
    """

    name: str  # "decoder", "encoder", "vision", ...
    blocks: str  # path of the ModuleList
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    width: int  # of the stream
    mlp: int  # neurons of a dense layer's MLP (0 if there is none)
    norm: Norm
    positions: Positions
    attention: str  # within a block: the module whose output (its first) is the attention's write
    mlp_write: str  # within a block: the module whose output is the MLP's write
    projection: str  # within a block: the output projection, whose input holds the heads side by side
    norms: tuple[str, ...]  # within a block: its norms of the stream's width, in the order of the forward pass
    neurons: str = ""  # within a dense block: the module whose input holds the neurons
    final_norm: str = ""  # path of the norm after the last block ("" if there is none)
    cross: str = ""  # within a block: the module whose output is the cross-attention's write ("" if there is none)
    cross_projection: str = ""
    rotary_dims: int = 0  # dimensions of a head that rotate
    windows: Mapping[int, int] = field(default_factory=dict)  # layer -> how far it sees: |query - key| < window
    causal: bool = True
    experts: int = 0
    experts_per_token: int = 0
    expert_mlp: int = 0  # neurons of an expert
    shared_expert: int = 0  # neurons of the expert that all tokens use
    sparse: tuple[int, ...] = ()  # layers with experts
    router: str = ""  # within a sparse block
    multiplier: float = 1.0  # multiplies every write (Granite)
    layer_scale: tuple[str, str] | None = None  # within a block: attention's and MLP's learned scale
    interface: bool = True  # attention goes through transformers' attention interface
    leading: int = 0  # class and register tokens before the patches
    patches: int = 0


@dataclass(frozen=True)
class Facts:
    """What is true of an architecture, from reading its modeling file."""

    towers: tuple[Tower, ...]
    unembedding: str = "lm_head"  # path of the module that makes logits ("" if there is none)
    tied: bool = False  # its weight is the embedding's
    logit_multiplier: float = 1.0  # logits = unembedding's output times this
    logit_cap: float | None = None  # ... or cap * tanh(output / cap)
    logit_bias: str = ""  # path of a constant row added to the logits
    image_tokens: int = 0  # per image in the language model's stream
    image_order: str = ""  # how they follow the patches of the image
    vision_layer: int | None = None  # index of the vision tower's hidden state that the projector reads


@dataclass(frozen=True)
class Family:
    """A family and how to build a tiny member of it.

    `build` writes a folder that `from_pretrained` reads: float32, fixed seed, no parameter left at its initial value.
    """

    name: str
    kind: Kind
    build: Callable[[Path], None]
    facts: Facts
    model_type: str  # as in config.json
    attentions: tuple[str, ...] = ("sdpa", "eager")
    missing: Mapping[str, str] = field(default_factory=dict)  # attention implementation -> why it is not supported
    notes: str = ""
    unbuildable: str = ""  # why there is no tiny member; `build` then raises


_REGISTRY: dict[str, Family] = {}


def family(
    name: str,
    *,
    kind: Kind,
    facts: Facts,
    model_type: str = "",
    missing: Mapping[str, str] | None = None,
    notes: str = "",
    unbuildable: str = "",
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register the decorated builder of a family; `missing` gives reasons by attention implementation."""

    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        if name in _REGISTRY:
            raise ValueError(f"two families are called {name}")
        lacking = dict(missing or {})
        attentions = tuple(kind for kind in ("sdpa", "eager") if kind not in lacking)
        _REGISTRY[name] = Family(name, kind, build, facts, model_type or name, attentions, lacking, notes, unbuildable)
        return build

    return register


@cache
def all_families() -> tuple[Family, ...]:
    """Every family of this folder, by name."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith(("test_", "conftest")):
            importlib.import_module(f"{__name__}.{module.name}")
    return tuple(_REGISTRY[name] for name in sorted(_REGISTRY))


def named(name: str) -> Family:
    """The family of that name."""
    return {each.name: each for each in all_families()}[name]


_BUILT: dict[tuple[Path, str], Path] = {}


def folder_of(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a family's tiny model, built once a session."""
    key = (tmp_path_factory.getbasetemp(), name)
    if key not in _BUILT:
        folder = tmp_path_factory.mktemp(name)
        named(name).build(folder)
        _BUILT[key] = folder
    return _BUILT[key]
