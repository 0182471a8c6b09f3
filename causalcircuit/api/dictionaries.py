"""Dictionaries on sites: `s = cq.sae("./f.safetensors", at=m.layer[6].resid)`, then `s.feature[3] @ cq.last`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Literal, cast

from causalcircuit.api.addresses import Steps, located
from causalcircuit.check.dictionaries import Asked, Kind, dictionary
from causalcircuit.check.values import Path
from causalcircuit.diagnostics import error
from causalcircuit.query import Attached
from causalcircuit.query.dictionary import Activation


def sae(file: str, *, at: Steps, name: str = "s", activation: str | None = None, centred: bool | None = None) -> Steps:
    """A sparse autoencoder on a site: its parts are `.feature[k]`, `.features` and `.error`.

    Args:
        file: of safetensors. at: the site that it was trained on. name: how it is called in reports.
        activation: `"relu"`, `"jumprelu"` or `"topk(32)"`, where the file does not say. centred: whether the bias of
            the decoder is subtracted before encoding, where the file does not say.

    Raises:
        DiagnosticError: CQ550 to CQ554, a file, a site or an activation that does not fit.
    """
    return _declared("sae", file, name, Asked(at.path, at.path, _activation(activation), centred))


def transcoder(file: str, *, read: Steps, write: Steps, name: str = "t", activation: str | None = None) -> Steps:
    """A transcoder, which says of the site `write` what it finds at `read`: the language's `from` and `to`.

    Raises:
        DiagnosticError: CQ550 to CQ554, as for `sae`.
    """
    return _declared("transcoder", file, name, Asked(read.path, write.path, _activation(activation)))


def _declared(kind: Kind, file: str, name: str, asked: Asked) -> Steps:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise error("CQ111", f"`{name}` cannot name a dictionary", help='letters, digits and `_`: `name="s"`')
    host = asked.writes.model
    made = dictionary(kind, name, file, FilePath(file).resolve(), asked, located(file))
    kept = tuple(d for d in host.dictionaries if d.name != name)
    return Steps(Path(replace(host, dictionaries=(*kept, made)), (Attached(name),), located(name)))


def _activation(said: str | None) -> Activation | None:
    """`"relu"`, `"jumprelu"`, `"topk(32)"`."""
    if said is None:
        return None
    k = re.fullmatch(r"topk\((\d+)\)", said)
    if k is not None and int(k[1]) > 0:
        return Activation("topk", int(k[1]))
    if said not in ("relu", "jumprelu"):
        way = "there are `relu`, `jumprelu` and `topk(32)`"
        raise error("CQ554", f"`{said}` is no activation of features", help=way)
    return Activation(cast(Literal["relu", "jumprelu"], said))
