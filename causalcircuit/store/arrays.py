"""Arrays as bytes, in the format of safetensors: every bit comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

_VALUES, _TEXTS = "values", "texts"


def pack(values: NDArray[Any]) -> bytes:
    """Outcomes of some rows: numbers, or texts."""
    if values.dtype == object:
        return save({_TEXTS: np.frombuffer(json.dumps(values.tolist()).encode(), dtype=np.uint8)})
    return _header(values.dtype.str, values.shape) + values.tobytes()


@lru_cache(256)
def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """What stands before the numbers: the same for columns of one type and length."""
    empty = np.zeros(shape, dtype)
    return save({_VALUES: empty})[: -empty.nbytes or None]


def unpack(payload: bytes, rows: int) -> NDArray[Any] | None:
    """The outcomes again; `None` where the bytes are none of so many rows."""
    try:
        found = load(payload)
        if _VALUES in found:
            values: NDArray[Any] = found[_VALUES].copy()
        else:
            texts = json.loads(found[_TEXTS].tobytes())
            values = np.empty(len(texts), dtype=object)
            values[:] = texts
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None
    return values if len(values) == rows else None


def pack_many(arrays: Mapping[str, NDArray[Any]], done: int) -> bytes:
    """Arrays by name, and how far they go."""
    return save({k: np.array(v, order="C") for k, v in arrays.items()}, metadata={"done": str(done)})


def unpack_many(payload: bytes) -> tuple[int, dict[str, NDArray[Any]]] | None:
    """They again; `None` where the bytes are none."""
    try:
        size = int.from_bytes(payload[:8], "little")
        said = json.loads(payload[8 : 8 + size])["__metadata__"]
        return int(said["done"]), load(payload)
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None
