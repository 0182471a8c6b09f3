"""What safetensors files say of themselves: names, types and shapes of their tensors, without reading a weight.

The format: 8 bytes of length, so many bytes of JSON, then the numbers (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalcircuit.query.config import ConfigError, read_json

_LONGEST = 100_000_000  # bytes of JSON, the limit of the safetensors library
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}

_DISTRIBUTED = re.compile(r"shard-\d{5}-model-")  # transformers would prefer it to all other files


class HeaderError(ValueError):
    """A file of weights that cannot be what it says."""


class PickleError(ValueError):
    """An index that names files which only unpickling could read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file: its type by the name that safetensors gives it, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def numbers(self) -> int:
        """How many numbers it holds, as stored: packed ones count once."""
        return math.prod(self.shape)


Headers = Mapping[str, Entry]


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
        found = read_json(folder / name, _LONGEST).get("weight_map")
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


def read_headers(files: list[Path]) -> Headers:
    """The tensors of some files by name.

    Raises:
        HeaderError: a file that is cut off, or whose header is none, or places a tensor outside the file or over
            another one; a tensor in two files.
    """
    out: dict[str, Entry] = {}
    for file in files:
        found = _header(file)
        twice = next((name for name in found if name in out), None)
        if twice is not None:
            raise HeaderError(f"`{twice}` stands in two files")
        out |= found
    return out


def _header(file: Path) -> dict[str, Entry]:
    whole = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if whole < 8 or length > whole - 8:
            raise HeaderError(f"{file.name} is cut off: its header should have {length} bytes, the file has {whole}")
        if length > _LONGEST:
            raise HeaderError(f"{file.name} has a header of {length} bytes, and {_LONGEST} is the most")
        text = opened.read(length)
    try:
        said = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise HeaderError(f"{file.name} has a header that cannot be read: {problem}") from None
    if not isinstance(said, dict):
        raise HeaderError(f"{file.name} has a header that is no JSON object")
    places: list[tuple[int, int, str]] = []
    out: dict[str, Entry] = {}
    for name, entry in said.items():
        if name == "__metadata__":
            continue
        begin, out[name] = _entry(file, name, entry)
        places.append((begin, begin + out[name].size, name))
    end = 0
    for begin, stop, name in sorted(places):
        if begin != end:
            raise HeaderError(f"{file.name} places `{name}` {'over another tensor' if begin < end else 'behind a gap'}")
        end = stop
    if end != whole - 8 - length:
        raise HeaderError(
            f"{file.name} is cut off: its tensors have {end} bytes, and {whole - 8 - length} are there"
            if end > whole - 8 - length
            else f"{file.name} has {whole - 8 - length - end} bytes that belong to no tensor"
        )
    return out


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which no name stands twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands in it twice")
    return made


def _entry(file: Path, name: str, said: Any) -> tuple[int, Entry]:
    """The first byte of a tensor, and what is known of it."""
    try:
        dtype, shape, (begin, end) = said["dtype"], said["shape"], said["data_offsets"]
        sound = dtype in _BITS and all(type(n) is int and n >= 0 for n in [*shape, begin, end])
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise HeaderError(f"{file.name} says of `{name[:80]}` what no tensor is")
    bits = math.prod(shape) * _BITS[dtype]
    if (end - begin) * 8 != bits:
        raise HeaderError(f"{file.name} gives `{name[:80]}` {end - begin} bytes, its shape needs {-(-bits // 8)}")
    return begin, Entry(dtype, tuple(shape), end - begin)
