"""The numbers of one tower, under the names that families give them in `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The same quantity under the names that families give it, commonest first.
_NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "depth"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "groups": ("num_key_value_heads", "num_kv_heads"),
    "width": ("hidden_size", "n_embd", "d_model", "dim"),
    "mlp": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "hidden_dim"),
    "head_dim": ("head_dim", "d_kv"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "length": ("max_position_embeddings", "n_positions", "n_ctx", "max_target_positions"),
}
# In the one config of an encoder and a decoder these come first.
_OF_PART = {
    "layers": ("{}_layers", "num_{}_layers"),
    "heads": ("{}_attention_heads",),
    "mlp": ("{}_ffn_dim",),
}


class OutlineError(ValueError):
    """A config that says too little to know the model's sites."""


@dataclass(frozen=True, slots=True)
class Exceptional:
    """What the config of a family does not say, or says otherwise than others do.

    Attributes:
        leading: positions of an image tower before its patches. registers: the key that counts more of them.
        width: the key of the stream's width. mlp: the neurons, in widths of the stream, where no key says them.
        repeated: keys and values are repeated for every query head before attention reads them.
        parallel: whether attention and MLP read the same stream, or the keys of which one says so.
        unnormed: whether no norm reads the whole last stream, or the key that says so. normed: the key
            that says so by being false.
        counted: whether the places of a text are counted from after the number of its padding.
    """

    leading: int | None = None
    registers: str = ""
    width: str = ""
    mlp: int = 0
    repeated: bool = False
    parallel: bool | tuple[str, ...] = ()
    unnormed: bool | str = False
    normed: str = ""
    counted: bool = False


ORDINARY = Exceptional()
# By the `model_type` of the tower's own config.
EXCEPTIONS = {
    "bart": Exceptional(unnormed=True),
    "bert": Exceptional(unnormed=True),
    "blip_text_model": Exceptional(unnormed=True),
    "blip_vision_model": Exceptional(leading=1),
    "bloom": Exceptional(mlp=4),
    "camembert": Exceptional(unnormed=True, counted=True),
    "clip_vision_model": Exceptional(leading=1, unnormed=True),
    "cohere": Exceptional(parallel=True),
    "deberta-v2": Exceptional(unnormed=True),
    "deit": Exceptional(leading=2),
    "dinov2": Exceptional(leading=1),
    "dinov2_with_registers": Exceptional(leading=1, registers="num_register_tokens"),
    "falcon": Exceptional(repeated=True, parallel=("parallel_attn", "new_decoder_architecture"), mlp=4),
    "gpt2": Exceptional(mlp=4),
    "gpt_neo": Exceptional(mlp=4),
    "gpt_neox": Exceptional(parallel=("use_parallel_residual",)),
    "gptj": Exceptional(parallel=True, mlp=4),
    "idefics3_vision": Exceptional(leading=0),
    "internvl_vision": Exceptional(leading=1, unnormed="use_mean_pooling"),
    "opt": Exceptional(normed="do_layer_norm_before"),
    "phi": Exceptional(parallel=True),
    "qwen2_vl_vision": Exceptional(width="embed_dim"),
    "roberta": Exceptional(unnormed=True, counted=True),
    "siglip_vision_model": Exceptional(leading=0),
    "smolvlm_vision": Exceptional(leading=0),
    "stablelm": Exceptional(parallel=("use_parallel_residual",)),
    "vit": Exceptional(leading=1),
    "xlm-roberta": Exceptional(unnormed=True, counted=True),
}


def exceptional(config: Mapping[str, Any]) -> Exceptional:
    """What is to be known of a tower beyond its config."""
    return EXCEPTIONS.get(str(config.get("model_type")), ORDINARY)


def count(config: Mapping[str, Any], what: str, part: str = "") -> int | None:
    """A number of a tower, `None` where the config is silent.

    Args:
        config: the tower's own, or that of an encoder and a decoder.
        what: `layers`, `heads`, `groups`, `width`, `mlp`, `head_dim`, `experts` or `length`.
        part: `encoder` or `decoder`, where one config describes both.

    Raises:
        OutlineError: it says a number that no model has.
    """
    names = [n.format(part) for n in _OF_PART.get(what, ()) if part] + [*_NAMES[what]]
    if what == "width" and exceptional(config).width:
        names = [exceptional(config).width]
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1 and what in ("layers", "heads", "width"):
                raise OutlineError(f"the config says {name} = {value}")
            if what == "length" and exceptional(config).counted:
                return value - plain(config, "pad_token_id") - 1
            return value
    return None


def needed(config: Mapping[str, Any], what: str, part: str = "") -> int:
    """The same of what must be said.

    Raises:
        OutlineError: it is not.
    """
    value = count(config, what, part)
    if value is None:
        raise OutlineError(f"the config says none of {', '.join(_NAMES[what])}")
    return value


def plain(config: Mapping[str, Any], key: str) -> int:
    """The number under one key, 0 where there is none."""
    value = config.get(key)
    return value if isinstance(value, int) else 0


def head_dim(config: Mapping[str, Any], width: int, heads: int) -> int:
    """The width of one head: said, or the head's share of the stream.

    Raises:
        OutlineError: it is not said, and the heads do not divide the stream.
    """
    said = count(config, "head_dim")
    if said:
        return said
    if width % heads:
        raise OutlineError(f"the config says nothing of the width of a head, and {heads} heads do not share {width}")
    return width // heads


def neurons(config: Mapping[str, Any], width: int, part: str = "") -> int:
    """The hidden width of a dense MLP.

    Raises:
        OutlineError: it is not said.
    """
    said = count(config, "mlp", part)
    if said:
        return said
    ratio = config.get("mlp_ratio")
    if isinstance(ratio, int | float) and ratio > 0:
        return int(width * ratio)
    times = exceptional(config).mlp
    if not times:
        raise OutlineError(f"the config says none of {', '.join(_NAMES['mlp'])}")
    return times * width


def sparse_layers(config: Mapping[str, Any], layers: int) -> tuple[int, ...]:
    """The layers of a mixture that have experts: all, but for those that the config says to be dense."""
    step, dense = config.get("decoder_sparse_step"), config.get("mlp_only_layers")
    every = step if isinstance(step, int) and step > 0 else 1
    known = dense if isinstance(dense, list) else []
    first = config.get("first_k_dense_replace")
    start = first if isinstance(first, int) else 0
    return tuple(i for i in range(layers) if i >= start and i not in known and (i + 1) % every == 0)


def in_parallel(config: Mapping[str, Any]) -> bool:
    """Whether attention and MLP read the same stream."""
    known = exceptional(config).parallel
    return known if isinstance(known, bool) else any(config.get(key) is True for key in known)


def ends_in_norm(config: Mapping[str, Any]) -> bool:
    """Whether a norm reads the whole last stream."""
    known = exceptional(config)
    lacks = config.get(known.unnormed) is True if isinstance(known.unnormed, str) else known.unnormed
    return not lacks and config.get(known.normed) is not False


def patch_grid(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of patches, where every image is made the same size."""
    size, patch = config.get("image_size"), config.get("patch_size")
    if size is None or patch is None:
        return None
    (high, wide), (down, right) = _pair(size, "image_size"), _pair(patch, "patch_size")
    return high // down, wide // right


def _pair(value: Any, key: str) -> tuple[int, int]:
    both = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(both) != 2 or not all(isinstance(x, int) and x > 0 for x in both):
        raise OutlineError(f"the config says {key} = {value}")
    return both
