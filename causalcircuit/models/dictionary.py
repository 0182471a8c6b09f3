"""Dictionaries on a loaded model: features and errors as nodes beside the site that they describe.

Of the site's value y a dictionary makes features f, read off x, and the error y - decode(f). Looking at either
changes no bit; an assignment to them adds (f' - f) W_dec + (error' - error) to y, and both are what they were found
as: assigning a feature moves no other one, and not the error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from causalcircuit.diagnostics import error
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.overlay import NodeTap, SettledTap, settled
from causalcircuit.models.proofs import proven_nodes
from causalcircuit.models.taps import See, Tap
from causalcircuit.query import ModelRef, SiteInfo
from causalcircuit.query.dictionary import Activation, Dictionary, Role


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """The arithmetic of a dictionary; see `Overlay`.

    Attributes:
        name: of the dictionary. reads, writes: the taps of its sites. source, target: which components of them.
        encoder: [components read, features]. decoder: [features, components written]. encoder_bias, decoder_bias:
            zero where there is none. threshold: of a JumpReLU. activation: what makes features.
        centred: whether the decoder's bias is subtracted before encoding.
    """

    name: str
    reads: str
    writes: str
    source: slice
    target: slice
    encoder: Tensor
    decoder: Tensor
    encoder_bias: Tensor
    decoder_bias: Tensor
    threshold: Tensor
    activation: Activation
    centred: bool

    def encode(self, x: Tensor) -> Tensor:
        """[…, features] of [..., components read]."""
        x = x.to(self.encoder.dtype)
        pre = (x - self.decoder_bias if self.centred else x) @ self.encoder + self.encoder_bias
        match self.activation.kind:
            case "relu":
                return pre.relu()
            case "jumprelu":
                return pre * (pre > self.threshold)
            case "topk":
                top = pre.topk(self.activation.k, dim=-1)
                return torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())

    def decode(self, features: Tensor) -> Tensor:
        """[..., components written] of [..., features]."""
        return features @ self.decoder + self.decoder_bias

    def parts(self, read: Tensor, written: Tensor) -> tuple[Tensor, Tensor]:
        """The features [places, features] and y [places, components written] of whole tensors."""
        x = read.reshape(-1, read.shape[-1])[:, self.source]
        y = written.reshape(-1, written.shape[-1])[:, self.target]
        return self.on(x.device).encode(x), y.to(self.encoder.dtype)

    def change(self, read: Tensor, written: Tensor, sees: Mapping[str, See]) -> Tensor | None:
        """See `Overlay.change`."""
        see_features, see_error = sees.get(f"{self.name}.features"), sees.get(f"{self.name}.error")
        if see_features is None and see_error is None:
            return None
        codec = self.on(written.device)
        features, y = self.parts(read, written)
        features = features.to(written.device)
        found: list[Tensor] = []
        if see_features is not None:
            new = see_features(features)
            if new is not features:
                found.append((new - features) @ codec.decoder)
        if see_error is not None:
            left = y - codec.decode(features)
            new = see_error(left)
            if new is not left:
                found.append(new - left)
        if not found:
            return None
        wide = written.new_zeros((len(y), written.shape[-1]))
        wide[:, self.target] = sum(found[1:], found[0]).to(written.dtype)
        return wide.reshape(written.shape)

    def on(self, device: torch.device) -> Codec:
        """The same on a device: the layers of a spread model are on several."""
        if self.encoder.device == device:
            return self
        names = ("encoder", "decoder", "encoder_bias", "decoder_bias", "threshold")
        return replace(self, **{n: getattr(self, n).to(device) for n in names})


def with_dictionaries(model: LoadedModel, ref: ModelRef) -> LoadedModel:
    """A loaded model with the nodes of the dictionaries that are declared on it, proven.

    Args:
        model: without dictionaries. ref: the same model, with them.

    Raises:
        DiagnosticError: CQ550, CQ551: a file that is not what it was when it was checked.
    """
    if not ref.dictionaries:
        return model
    table = replace(model.sites, dictionaries=ref.dictionaries)
    taps: dict[str, list[Tap]] = {name: [tap] for name, tap in model.taps.items()}
    doubtful: dict[str, str] = {}
    for dictionary in ref.dictionaries:
        reads, writes = (table.info(dictionary.address("m", of=of)) for of in ("reads", "writes"))
        codec = _codec(model, dictionary, reads, writes)
        base = model.taps[writes.tensor]
        nodes = [
            NodeTap(f"{dictionary.name}.features", dictionary.features, base.stand, codec),
            NodeTap(f"{dictionary.name}.error", writes.width, base.stand, codec),
        ]
        bad = next((i.tensor for i in (reads, writes) if i.tensor in model.refused), None)
        if bad is not None:
            doubtful |= {n.name: f"{bad}, which it describes, does not: {model.refused[bad]}" for n in nodes}
        taps[writes.tensor].extend(nodes)
    for name, several in taps.items():
        if len(several) > 1:
            base = several[0]
            several.append(SettledTap(settled(name), base.size, base.stand, name))
    flat = {tap.name: tap for several in taps.values() for tap in several}
    grown = replace(model, ref=ref, sites=table, taps=flat)
    names = [name for name, tap in flat.items() if isinstance(tap, NodeTap)]
    return proven_nodes(grown, names, doubtful, json.dumps([_mark(d) for d in ref.dictionaries]))


def codec_of(model: LoadedModel, name: str) -> Codec:
    """The arithmetic of a dictionary of a model."""
    tap = model.taps[f"{name}.features"]
    if not isinstance(tap, NodeTap) or not isinstance(tap.overlay, Codec):
        raise TypeError(f"{name} is no dictionary")  # the table of sites knows dictionaries only by such taps
    return tap.overlay


def _codec(model: LoadedModel, dictionary: Dictionary, reads: SiteInfo, writes: SiteInfo) -> Codec:
    dtype = torch.float64 if model.dtype == torch.float64 else torch.float32
    device = next(model.hf.parameters()).device
    found: dict[Role, Tensor] = {}
    try:
        with safe_open(dictionary.path, framework="pt") as file:
            for weight in dictionary.weights:
                tensor = file.get_tensor(weight.key)
                found[weight.role] = (tensor.T if weight.turned else tensor).to(device, dtype).contiguous()
    except (SafetensorError, OSError) as problem:
        raise error(
            "CQ550",
            f"`{dictionary.source}` cannot be read: {problem}",
            dictionary.span,
            "this file",
            help="save it anew",
        ) from None
    bad = next((r for r, t in found.items() if not bool(torch.isfinite(t).all())), None)
    if bad is not None:
        way = "it was saved from a training that diverged"
        raise error("CQ550", f"the {bad} of `{dictionary.source}` holds NaN or infinity", dictionary.span, help=way)
    encoder, decoder = found["encoder"], found["decoder"]
    if encoder.shape[0] != reads.width or decoder.shape[1] != writes.width:
        raise error(
            "CQ551",
            f"`{dictionary.source}` maps {encoder.shape[0]} components to {decoder.shape[1]}, and its sites have "
            f"{reads.width} and {writes.width}",
            dictionary.span,
            help="a dictionary belongs to the site of the model that it was trained on",
        )
    threshold = found.get("threshold", encoder.new_zeros(1))
    return Codec(
        dictionary.name,
        reads.tensor,
        writes.tensor,
        slice(reads.start, reads.stop),
        slice(writes.start, writes.stop),
        encoder,
        decoder,
        found.get("encoder_bias", encoder.new_zeros(encoder.shape[1])),
        found.get("decoder_bias", encoder.new_zeros(decoder.shape[1])),
        found["log_threshold"].exp() if "log_threshold" in found else threshold,
        dictionary.activation,
        dictionary.centred,
    )


def _mark(dictionary: Dictionary) -> list[Any]:
    """What the proof of its nodes rests on."""
    sites = [dictionary.address("m", of="reads").local, dictionary.address("m").local]
    said = [str(dictionary.activation), dictionary.centred, [[w.role, w.key, w.turned] for w in dictionary.weights]]
    return [dictionary.name, str(dictionary.path), list(dictionary.stamp), *sites, *said]
