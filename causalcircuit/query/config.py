"""`config.json`, read with care: it may come from anywhere, and everything else is built by its numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 16 * 2**20
"""The largest `config.json` that is read. Those of published models have some kilobytes."""

# The largest published models have some hundred layers, experts and heads, and dimensions of some hundred thousand.
# A number far beyond them would keep a computer busy for hours before anything fails.
_COUNTS = re.compile(r"(^|_)(layers?|blocks?|depths?|stages?|experts?|heads?|groups?)(_|$)")
_SIZES = re.compile(r"(size|dim|width|hidden|embd|model|inner|channels?|positions?|ctx|embeddings)(_|$)")
_MOST = 100_000, 2**26


class ConfigError(ValueError):
    """A `config.json` that is not to be believed."""


def read_json(path: Path, most: int = MOST_BYTES) -> dict[str, Any]:
    """The JSON object that a file holds.

    Args:
        path: the file.
        most: bytes; a larger file is refused unread.

    Raises:
        ConfigError: the file is too large, is no JSON, or holds no object.
        OSError: the file cannot be opened.
    """
    size = path.stat().st_size
    if size > most:
        raise ConfigError(f"it has {size} bytes, and {most} are the most that is read")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ConfigError("it is nested too deeply") from None
    except ValueError as problem:  # no JSON, no UTF-8, or a number of thousands of digits
        raise ConfigError(str(problem)) from None
    if not isinstance(said, dict):
        raise ConfigError("it holds no JSON object")
    return said


def check_numbers(config: Mapping[str, Any]) -> None:
    """Hold the counts and sizes of a config against what any model has.

    Raises:
        ConfigError: a number that no model has, such as a million layers.
    """
    for key, value in numbers(config):
        most = next((m for m, words in zip(_MOST, (_COUNTS, _SIZES), strict=True) if words.search(key)), None)
        if most is not None and value > most:
            raise ConfigError(f"it says {key} = {value}, and {most} is the most that is believed")


def numbers(config: Any) -> Iterator[tuple[str, float]]:
    """Every number with the key that it stands under, however deep."""
    waiting: list[tuple[str, Any]] = [("", config)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend((str(k), v) for k, v in value.items())
        elif isinstance(value, list):
            waiting.extend((key, v) for v in value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value
