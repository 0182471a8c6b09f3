"""Dictionaries of features: sparse autoencoders and transcoders, as they are declared. No torch.

A dictionary reads x at one site, has features f = activation(W_enc (x - c) + b_enc), and says of the site that it
writes to y = W_dec f + b_dec + error. An autoencoder reads and writes one site; c is b_dec where the encoder is
centred, else 0. Of the site it makes two nodes, the features and the error, so that looking changes nothing, and
assigning a feature moves y along that feature's direction alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from causalcircuit.diagnostics import Span
from causalcircuit.query.address import Address, Part
from causalcircuit.query.tensors import Entry, Headers

Role = Literal["encoder", "encoder_bias", "decoder", "decoder_bias", "threshold", "log_threshold"]

# What the common libraries call the parts of a dictionary.
_NAMES: dict[Role, tuple[str, ...]] = {
    "encoder": ("W_enc", "encoder.weight", "w_enc", "enc.weight"),
    "encoder_bias": ("b_enc", "encoder.bias", "enc.bias", "latent_bias"),
    "decoder": ("W_dec", "decoder.weight", "w_dec", "dec.weight"),
    "decoder_bias": ("b_dec", "decoder.bias", "dec.bias", "bias", "pre_bias", "b_pre"),
    "threshold": ("threshold", "thresholds", "jumprelu.threshold"),
    "log_threshold": ("log_threshold", "log_thresholds"),
}
# A linear map of torch has weights [out, in]; a plain matrix W is multiplied from the right, x W: [in, out].
_LINEAR = (".weight",)
# Biases of these names are subtracted from what the encoder reads, by their very name.
_CENTRES = ("pre_bias", "b_pre", "bias")
_SPARE = ("k", "num_tokens_since_fired", "steps", "scaling_factor")
_FLOATS = ("F64", "F32", "F16", "BF16")


class DictionaryError(ValueError):
    """A file that is no dictionary of its site, or leaves open what it is. `kind` tells which code fits."""

    def __init__(self, kind: Literal["file", "shape", "activation", "centre"], message: str, way: str = "") -> None:
        """Say what is wrong, and the way out."""
        super().__init__(message)
        self.kind, self.way = kind, way


@dataclass(frozen=True, slots=True)
class Activation:
    """What makes features of pre-activations: ReLU, JumpReLU (0 below its threshold), or the `k` largest ones."""

    kind: Literal["relu", "jumprelu", "topk"]
    k: int = 0

    def __str__(self) -> str:
        """As written in the language."""
        return f"topk({self.k})" if self.kind == "topk" else self.kind


@dataclass(frozen=True, slots=True)
class Weight:
    """A part of a dictionary: the tensor of the file, and whether it is to be turned into [in, out] first."""

    role: Role
    key: str
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A declared dictionary; it belongs to the model whose site it reads.

    Attributes:
        name: how addresses call it. kind: as declared. source, path: of its file, and (time, size) of that: its stamp.
        reads, writes: local addresses of the sites, equal for an autoencoder.
        features: how many it has. activation: what makes them.
        centred: whether the bias of the decoder is subtracted before encoding. weights: where its parts are.
    """

    name: str
    kind: Literal["sae", "transcoder"]
    source: str
    path: Path
    stamp: tuple[int, int]
    reads: tuple[Part, ...]
    writes: tuple[Part, ...]
    features: int
    activation: Activation
    centred: bool
    weights: tuple[Weight, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    def address(self, model: str, *, of: Literal["reads", "writes"] = "writes") -> Address:
        """The site that it reads or writes."""
        return Address(model, self.reads if of == "reads" else self.writes)


def weights_of(headers: Headers, reads: int, writes: int) -> tuple[tuple[Weight, ...], int]:
    """The parts of a dictionary in a file, and its number of features.

    Args:
        headers: of the file. reads, writes: components of the sites.

    Raises:
        DictionaryError: a part is missing, is there twice, or has another shape.
    """
    keys = {role: _key(role, headers) for role in _NAMES}
    for role in ("encoder", "decoder"):
        if keys[role] is None:
            names = ", ".join(f"`{n}`" for n in _NAMES[role][:2])
            raise DictionaryError("file", f"it has no {role}", f"its tensors are called {names}, or the like")
    known = {k for k in keys.values() if k is not None}
    other = sorted(k for k in headers if k not in known and k not in _SPARE)
    if other:
        raise DictionaryError(
            "file",
            f"it holds `{other[0]}`, which no autoencoder of these kinds has",
            "gated, switched, and skipping dictionaries are not supported",
        )
    features = _features(headers, keys["encoder"] or "", reads)
    shapes: dict[Role, tuple[int, ...]] = {
        "encoder": (reads, features),
        "decoder": (features, writes),
        "encoder_bias": (features,),
        "decoder_bias": (writes,),
        "threshold": (features,),
        "log_threshold": (features,),
    }
    found = [_weight(role, key, headers[key], shapes[role]) for role, key in keys.items() if key is not None]
    return tuple(found), features


def _key(role: Role, headers: Headers) -> str | None:
    found = [n for n in _NAMES[role] if n in headers]
    if len(found) > 1:
        raise DictionaryError(
            "file", f"it holds `{found[0]}` and `{found[1]}`, both of which are its {role}", "leave one out"
        )
    if found and headers[found[0]].dtype not in _FLOATS:
        raise DictionaryError("file", f"its `{found[0]}` holds {headers[found[0]].dtype}, which are no plain floats")
    return found[0] if found else None


def _features(headers: Headers, encoder: str, reads: int) -> int:
    """How many there are, whichever way the encoder stands."""
    shape = headers[encoder].shape
    if len(shape) == 2 and reads in shape:
        return shape[1] if shape[0] == reads else shape[0]
    raise DictionaryError(
        "shape",
        f"its `{encoder}` is {list(shape)}, and the site that it reads has {reads} components",
        "a dictionary belongs to the site of the model that it was trained on",
    )


def _turned(key: str, shape: tuple[int, ...]) -> bool:
    """Whether a square matrix stands the other way: its name says so, its sizes do not."""
    return shape[0] == shape[1] and key.endswith(_LINEAR)


def _weight(role: Role, key: str, entry: Entry, shape: tuple[int, ...]) -> Weight:
    if entry.shape == shape and not (len(shape) == 2 and _turned(key, shape)):
        return Weight(role, key)
    if len(shape) == 2 and entry.shape == shape[::-1]:
        return Weight(role, key, turned=True)
    if role in ("threshold", "log_threshold") and entry.shape in ((), (1,)):
        return Weight(role, key)
    raise DictionaryError(
        "shape",
        f"its `{key}` is {list(entry.shape)}, and {list(shape)} is needed",
        "a dictionary belongs to the site of the model that it was trained on",
    )


def activation_of(said: Mapping[str, object], weights: tuple[Weight, ...], asked: Activation | None) -> Activation:
    """What the features are made by: as the call says, else the file, else its threshold.

    Args:
        said: metadata of the file. weights: its parts. asked: by the call.

    Raises:
        DictionaryError: it cannot be known, is none of these, or they contradict each other.
    """
    threshold = any(w.role in ("threshold", "log_threshold") for w in weights)
    word = " ".join(
        str(said[key]).lower() for key in ("activation", "activation_fn", "activation_fn_str") if key in said
    )
    word += " " + str(said.get("architecture", "")).lower()
    found: Activation | None = None
    if "gated" in word:
        raise DictionaryError("activation", "it is gated", "ReLU, JumpReLU and TopK are supported")
    if "topk" in word.replace("_", "").replace("-", "") and "batch" not in word:
        k = _whole(said.get("k", said.get("top_k")))
        if k is None and asked is None:
            raise DictionaryError("activation", "it says TopK, and not how many", "write `activation = topk(32)`")
        found = Activation("topk", k) if k is not None else None
    elif "jumprelu" in word.replace("_", "").replace("-", "") or ("batch" in word and threshold):
        found = Activation("jumprelu")
    elif "relu" in word.split() or ("standard" in word and not threshold):
        found = Activation("relu")
    elif threshold and not word.strip():
        found = Activation("jumprelu")
    if asked is not None and found is not None and asked != found:
        raise DictionaryError("activation", f"it says `{found}`, and the call `{asked}`", "leave `activation` out")
    chosen = asked or found
    if chosen is None:
        raise DictionaryError(
            "activation",
            "nothing says what makes its features",
            "write `activation = relu`, `activation = jumprelu` or `activation = topk(32)`, as it was trained",
        )
    if chosen.kind == "jumprelu" and not threshold:
        raise DictionaryError("activation", "a JumpReLU has a threshold, and the file holds none", "ask for `relu`")
    return chosen


def centred(
    said: Mapping[str, object], weights: tuple[Weight, ...], asked: bool | None, kind: Literal["sae", "transcoder"]
) -> bool:
    """Whether the bias of the decoder is subtracted before encoding.

    Raises:
        DictionaryError: it cannot be known, or a transcoder is asked to.
    """
    key = next((w.key for w in weights if w.role == "decoder_bias"), None)
    if kind == "transcoder":
        if asked:
            raise DictionaryError("centre", "a transcoder's bias is one of the site that it writes", "leave it out")
        return False
    if key is None:
        return False
    for name in ("centred", "apply_b_dec_to_input"):
        if asked is None and name in said and str(said[name]).lower() in ("true", "false", "1", "0"):
            return str(said[name]).lower() in ("true", "1")
    if asked is None and key in _CENTRES:
        return True
    if asked is None:
        raise DictionaryError(
            "centre",
            f"nothing says whether `{key}` is subtracted before encoding",
            "write `centred = true` if it is, `centred = false` if it is not, as it was trained",
        )
    return asked


def _whole(value: object) -> int | None:
    return int(str(value)) if value is not None and str(value).isdigit() and int(str(value)) > 0 else None
