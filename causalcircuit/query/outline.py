"""A model's sites from its `config.json` alone, so that addresses are checked before any weight is read.

Where the config leaves open what an address depends on, an `OutlineError` says so: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from causalcircuit.query.dimensions import (
    OutlineError,
    count,
    ends_in_norm,
    exceptional,
    head_dim,
    in_parallel,
    needed,
    neurons,
    patch_grid,
    plain,
    sparse_layers,
)
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import Modality, Tower

__all__ = ["NO_NORM", "PARALLEL", "OutlineError", "site_table"]

PARALLEL = "attention and MLP read the same stream, so none stands between them"
NO_NORM = "no norm reads the whole stream after the last block"

# Words in the name of a class whose text tower sees only earlier positions.
_WRITES = ("CausalLM", "LMHead", "ConditionalGeneration", "ImageTextToText", "Vision2Seq")
# A text tower that is causal, though it writes nothing; a prefix language model, whose prompt sees itself.
_CAUSAL = ("clip",)
_BIDIRECTIONAL = ("paligemma",)
# The patches of tiles are joined, cut and ended by tokens of their own after the projector.
_JOINED = ("llava_next",)
_MARKS = ("image_token_id", "image_token_index")


def site_table(config: Mapping[str, Any]) -> SiteTable:
    """The sites of the model that a `config.json` describes.

    Args:
        config: the parsed file.

    Raises:
        OutlineError: it does not say what addresses depend on, such as the number of layers.
    """
    _check(config, "the config")
    towers = _towers(config)
    seen = [t.channel for t in towers if t.modality != "text"]
    writes = any(t.name == "decoder" for t in towers)
    reads = writes and towers[0].modality == "text"
    texts = ["prefix" if writes else "input"] if any(t.modality == "text" for t in towers) else []
    return SiteTable(
        family=str(config.get("model_type", "unknown")),
        towers=towers,
        channels=tuple(dict.fromkeys([*seen, *(["input"] if reads else []), *texts])),
        max_positions=count(_text_config(config), "length"),
        projector=towers[-1].width if len(towers) == 2 and _marked(config) else 0,
        readout=_readout(config),
        projected=towers[0].extent - towers[0].cls if str(config.get("model_type")) in _JOINED else 0,
    )


def _towers(config: Mapping[str, Any]) -> tuple[Tower, ...]:
    """In order of computation."""
    if "encoder" in config and "decoder" in config:
        first, second = _inner(config, "encoder"), _inner(config, "decoder")
        return _tower(config, first, "encoder", _modality(first)), _tower(config, second, "decoder", "text")
    if "text_config" in config and "vision_config" in config:
        seen, said = _inner(config, "vision_config"), _inner(config, "text_config")
        if not _marked(config) and said.get("is_decoder") is True:  # a captioner
            return _tower(config, seen, "encoder", "image"), _tower(config, said, "decoder", "text")
        return _tower(config, seen, "vision", "image"), _tower(config, said, "", "text")
    if config.get("is_encoder_decoder") is True:
        heard: Modality = "audio" if "max_source_positions" in config else "text"
        return (
            _tower(config, config, "encoder", heard, part="encoder"),
            _tower(config, config, "decoder", "text", part="decoder"),
        )
    nested = [k for k, v in config.items() if k.endswith("_config") and isinstance(v, Mapping) and "model_type" in v]
    if nested:
        raise OutlineError(f"how its parts ({', '.join(nested)}) are joined is not known")
    return (_tower(config, config, "", _modality(config)),)


def _tower(whole: Mapping[str, Any], own: Mapping[str, Any], name: str, modality: Modality, part: str = "") -> Tower:
    layers, heads, width = (needed(own, what, part) for what in ("layers", "heads", "width"))
    experts = (count(own, "experts") or 0) if modality == "text" else 0
    sparse = sparse_layers(own, layers) if experts > 1 else ()
    groups = heads if exceptional(own).repeated else count(own, "groups") or heads
    grid = patch_grid(own) if modality == "image" else None
    leading = exceptional(own).leading
    if grid is not None and leading is None:
        raise OutlineError(f"how many class tokens a {own.get('model_type')} has is not known")
    missing = [("resid_mid", PARALLEL)] if in_parallel(own) else []
    if not ends_in_norm(own):
        missing.append(("final_norm", NO_NORM))
    return Tower(
        name=name,
        modality=modality,
        layers=layers,
        heads=heads,
        head_dim=head_dim(own, width, heads),
        width=width,
        mlp=0 if len(sparse) == layers else neurons(own, width, part),
        causal=_causal(whole, name, modality),
        cross=name == "decoder",
        cls=0 if grid is None else (leading or 0) + plain(own, exceptional(own).registers),
        patches=grid,
        frames=plain(own, "max_source_positions") if modality == "audio" else 0,
        kv_heads=0 if groups == heads else groups,
        experts=experts if sparse else 0,
        sparse=sparse if 0 < len(sparse) < layers else None,
        parallel=in_parallel(own),
        missing=tuple(missing),
    )


def _kind(config: Mapping[str, Any]) -> str:
    """The name of the model's class, empty where the config says none."""
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def _causal(whole: Mapping[str, Any], name: str, modality: Modality) -> bool:
    """Whether it is known that a tower's positions see only themselves and earlier ones."""
    family, kind = str(whole.get("model_type")), _kind(whole)
    if modality != "text" or name == "encoder" or family in _BIDIRECTIONAL:
        return False
    return name == "decoder" or family in _CAUSAL or not kind or any(w in kind for w in _WRITES)


def _modality(config: Mapping[str, Any]) -> Modality:
    return "image" if "patch_size" in config else "text"


def _marked(config: Mapping[str, Any]) -> bool:
    """Whether images stand in the text as tokens."""
    return any(config.get(key) is not None for key in _MARKS)


def _readout(config: Mapping[str, Any]) -> Literal["vocabulary", "classes", "none"]:
    kind = _kind(config)
    if "Classification" in kind:
        return "classes"
    return "none" if kind.endswith("Model") and "EncoderDecoder" not in kind and "LMHead" not in kind else "vocabulary"


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = next((config[k] for k in ("text_config", "decoder") if isinstance(config.get(k), Mapping)), config)
    return inner if isinstance(inner, Mapping) else config


def _inner(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = config[key]
    _check(inner, f"its {key.removesuffix('_config')}")
    return inner if isinstance(inner, Mapping) else {}


def _check(config: Any, what: str) -> None:
    if not isinstance(config, Mapping):
        raise OutlineError(f"{what} is no JSON object")
