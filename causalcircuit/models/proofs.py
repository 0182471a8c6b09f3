"""Proofs kept between runs, under the hash of all that they rest on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from causalcircuit.models.contract.nodes import prove_nodes
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.contract.prove import prove, prove_more
from causalcircuit.models.model import LoadedModel
from causalcircuit.store import recall, remember

_WHOLE = 256 * 2**20
_ENDS = 2**20


def proven(model: LoadedModel, folder: Path) -> LoadedModel:
    """The model with its proof: a kept one, or one made now and kept.

    Raises:
        ContractError: a clause about the whole model fails.
    """
    key = key_of(model, folder)
    kept = recall(key)
    proof = None if kept is None else _read(kept, model)
    if proof is None:
        proof = prove(model, model.probe)
        remember(key, _written(proof))
    return replace(model, proof=proof, key=key)


def proven_nodes(model: LoadedModel, names: Sequence[str], doubtful: Mapping[str, str], mark: str) -> LoadedModel:
    """A proven model with further taps: their proof is kept too.

    Args:
        model: with the taps, and the proof and key of the model without them.
        names: of the taps. doubtful: those that cannot hold, with the reason. mark: what else the proof rests on.
    """
    key = hashlib.sha256(f"{model.key} {mark}".encode()).hexdigest()
    kept = recall(key)
    proof = None if kept is None else _read(kept, model)
    if proof is None:
        proof = deepcopy(model.proof)
        proof.refused.update(doubtful)
        prove_nodes(model, names, proof)
        remember(key, _written(proof))
    return replace(model, proof=proof, key=key)


def assure(model: LoadedModel, names: Iterable[str]) -> None:
    """Prove assignments to further tensors (see `prove_more`), and keep what was found."""
    before = len(model.proof.assigned) + len(model.proof.refused)
    prove_more(model, model.probe, names, model.proof)
    if len(model.proof.assigned) + len(model.proof.refused) > before:
        remember(model.key, _written(model.proof))


def key_of(model: LoadedModel, folder: Path) -> str:
    """A hash of the weights, the settings and the versions that a proof rests on.

    Files up to 256 MiB are hashed whole, larger ones by their size, time and both ends.
    """
    said = hashlib.sha256()
    hf = model.hf
    settings = [
        _own_code(),
        transformers.__version__,
        torch.__version__,
        str(model.dtype),
        model.device.type,
        getattr(hf.config, "_attn_implementation", None),
        model.side,
        model.takes.position_ids,
        sorted(model.taps),
    ]
    said.update(json.dumps(settings).encode())
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".py", ".jinja")):
        said.update(path.name.encode())
        _hash(path, said)
    return said.hexdigest()


@cache
def _own_code() -> str:
    """A hash of this room: a change of its clauses or taps makes older proofs worthless."""
    said = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        said.update(path.read_bytes())
    return said.hexdigest()


def _hash(path: Path, into: Any) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(_ENDS):
                into.update(block)
            return
        into.update(f"{size} {path.stat().st_mtime_ns}".encode())
        into.update(file.read(_ENDS))
        file.seek(-_ENDS, 2)
        into.update(file.read(_ENDS))


def _written(proof: Proof) -> dict[str, Any]:
    return {
        "refused": proof.refused,
        "sloped": proof.sloped,
        "unread": sorted(proof.unread),
        "still": sorted(proof.still),
        "assigned": sorted(proof.assigned),
    }


def _read(kept: dict[str, Any], model: LoadedModel) -> Proof | None:
    """A kept proof, or `None` where it is not what this version writes."""
    try:
        proof = Proof(
            dict(kept["refused"]),
            dict(kept["sloped"]),
            set(kept["unread"]),
            set(kept["still"]),
            set(kept["assigned"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    named = {*proof.refused, *proof.sloped, *proof.unread, *proof.still, *proof.assigned}
    return proof if named <= set(model.taps) and not proof.assigned & set(proof.refused) else None
