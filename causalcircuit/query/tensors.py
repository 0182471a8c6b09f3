"""What safetensors files say of themselves: names, types and shapes of their tensors, without reading a number.

The format: 8 bytes of length, so many bytes of JSON, then the numbers (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 100_000_000
"""Bytes of JSON, the limit of the safetensors library."""
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class HeaderError(ValueError):
    """A file of weights that cannot be what it says."""


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


def read_metadata(file: Path) -> dict[str, str]:
    """What a file says of itself besides its tensors.

    Raises:
        HeaderError: as `read_headers`.
    """
    said = _json(file)[0].get("__metadata__")
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}


FLOATS = ("F64", "F32", "F16", "BF16")
"""Types whose numbers `read_numbers` reads."""
_LETTERS = {"F64": "d", "F32": "f", "F16": "e"}


def read_numbers(file: Path, name: str) -> tuple[float, ...]:
    """The numbers of a tensor of `FLOATS`.

    Raises:
        HeaderError: as `read_headers`.
    """
    said, rest = _json(file)
    begin, entry = _entry(file, name, said[name])
    with file.open("rb") as opened:
        opened.seek(file.stat().st_size - rest + begin)
        raw = opened.read(entry.size)
    if entry.dtype == "BF16":  # the upper half of an F32
        raw = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw), 2))
    return struct.unpack(f"<{entry.numbers}{_LETTERS.get(entry.dtype, 'f')}", raw)


def _json(file: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes of numbers follow it."""
    whole = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if whole < 8 or length > whole - 8:
            raise HeaderError(f"{file.name} is cut off: its header should have {length} bytes, the file has {whole}")
        if length > LONGEST:
            raise HeaderError(f"{file.name} has a header of {length} bytes, and {LONGEST} is the most")
        text = opened.read(length)
    try:
        said = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise HeaderError(f"{file.name} has a header that cannot be read: {problem}") from None
    if not isinstance(said, dict):
        raise HeaderError(f"{file.name} has a header that is no JSON object")
    return said, whole - 8 - length


def _header(file: Path) -> dict[str, Entry]:
    said, rest = _json(file)
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
    if end != rest:
        raise HeaderError(
            f"{file.name} is cut off: its tensors have {end} bytes, and {rest} are there"
            if end > rest
            else f"{file.name} has {rest - end} bytes that belong to no tensor"
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
