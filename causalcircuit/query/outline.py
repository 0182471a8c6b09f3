"""A model's sites from its `config.json` alone, so that addresses are checked before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causalcircuit.query.sites import SiteTable, Tower

# The same quantity under the names that families give it, commonest first.
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_WIDTH = ("hidden_size", "n_embd", "d_model", "dim")
_MLP = ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim")
_LENGTH = ("max_position_embeddings", "n_positions", "n_ctx")


class OutlineError(ValueError):
    """A config that says too little to know the model's sites."""


def site_table(config: Mapping[str, Any]) -> SiteTable:
    """The sites of the model that a `config.json` describes.

    Args:
        config: the parsed file.

    Raises:
        OutlineError: the number of layers or heads, or the width, is not said.
    """
    _check(config, "the config")
    family = str(config.get("model_type", "unknown"))
    if "encoder" in config and "decoder" in config:
        encoder, decoder = config["encoder"], config["decoder"]
        _check(encoder, "its encoder")
        _check(decoder, "its decoder")
        first = _tower("encoder", encoder, causal=False, cross=False)
        second = _tower("decoder", decoder, causal=True, cross=True)
        source = "image" if first.modality == "image" else "input"
        return SiteTable(family, (first, second), (source, "prefix"), _length(decoder))
    tower = _tower("", config, causal=not _bidirectional(config), cross=False)
    channel = "image" if tower.modality == "image" else "input"
    return SiteTable(family, (tower,), (channel,), _length(config))


def _check(config: Any, what: str) -> None:
    if not isinstance(config, Mapping):
        raise OutlineError(f"{what} is no JSON object")


def _tower(name: str, config: Mapping[str, Any], *, causal: bool, cross: bool) -> Tower:
    layers, heads, width = _need(config, _LAYERS), _need(config, _HEADS), _need(config, _WIDTH)
    mlp = _find(config, _MLP)
    patches = _patches(config)
    return Tower(
        name=name,
        modality="text" if patches is None else "image",
        layers=layers,
        heads=heads,
        head_dim=int(config.get("head_dim") or width // heads),
        width=width,
        mlp=4 * width if mlp is None else mlp,
        causal=causal,
        cross=cross,
        cls=0 if patches is None else 1,
        patches=patches,
    )


def _bidirectional(config: Mapping[str, Any]) -> bool:
    named = " ".join(config.get("architectures") or ())
    return "MaskedLM" in named or "patch_size" in config


def _patches(config: Mapping[str, Any]) -> tuple[int, int] | None:
    size, patch = config.get("image_size"), config.get("patch_size")
    if size is None or patch is None:
        return None
    high, wide = size if isinstance(size, list | tuple) else (size, size)
    down, right = patch if isinstance(patch, list | tuple) else (patch, patch)
    return int(high) // int(down), int(wide) // int(right)


def _length(config: Mapping[str, Any]) -> int | None:
    return _find(config, _LENGTH)


def _find(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((int(config[n]) for n in names if isinstance(config.get(n), int)), None)


def _need(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    value = _find(config, names)
    if value is None:
        raise OutlineError(f"the config says none of {', '.join(names)}")
    if value < 1:
        raise OutlineError(f"the config says {value} where it counts layers, heads or widths ({', '.join(names)})")
    return value
