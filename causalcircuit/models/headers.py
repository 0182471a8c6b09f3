"""The files that hold a model's weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from causalcircuit.query.config import ConfigError, read_json
from causalcircuit.query.tensors import LONGEST, HeaderError

_DISTRIBUTED = re.compile(r"shard-\d{5}-model-")  # transformers would prefer it to all other files


class PickleError(ValueError):
    """An index that names files which only unpickling could read."""


def weight_files(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    """The files that transformers will read the weights from, in its own order of preference.

    Raises:
        HeaderError: an index that cannot be read, or names what is not in the folder.
        PickleError: an index that names pickles.
    """
    if any(_DISTRIBUTED.match(p.name) for p in folder.iterdir()):
        raise HeaderError("it holds a distributed checkpoint (shard-…): save it anew with `save_pretrained`")
    said = config.get("transformers_weights")
    for name in [said] if said is not None else ["model.safetensors", "model.safetensors.index.json"]:
        if not isinstance(name, str) or Path(name).name != name:
            raise HeaderError(f"config.json names {name!r} as its weights, which is no file of the folder")
        if (folder / name).is_file():
            return _indexed(folder, name) if name.endswith(".index.json") else _named(folder, [name])
    if said is not None:
        return _named(folder, [str(said)])
    # One file under another name is no checkpoint to transformers either.
    raise HeaderError("there is neither model.safetensors nor model.safetensors.index.json")


def _indexed(folder: Path, name: str) -> list[Path]:
    try:
        found = read_json(folder / name, LONGEST).get("weight_map")
    except ConfigError as problem:
        raise HeaderError(f"{name} cannot be read: {problem}") from None
    if not isinstance(found, dict) or not found:
        raise HeaderError(f"{name} has no `weight_map`")
    return _named(folder, sorted({str(file) for file in found.values()}))


def _named(folder: Path, names: list[str]) -> list[Path]:
    pickles = [n for n in names if not n.endswith(".safetensors")]
    if pickles:
        raise PickleError(", ".join(pickles[:3]))
    for name in names:
        if Path(name).name != name:
            raise HeaderError(f"the index names `{name}`, which is no file of the folder itself")
        if not (folder / name).is_file():
            raise HeaderError(f"{name} is missing")
    return [folder / n for n in names]
