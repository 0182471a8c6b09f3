"""Nouns that remember their hash: expressions nest deeply, and plans look them up thousands of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Remembers:
    """A frozen dataclass with a place for its hash (see `remember`), and for what stands inside it (see `walk`)."""

    __slots__ = ("_hash", "_inside")
    _hash: int
    _inside: tuple[Any, ...]


def remember(*kinds: type[Remembers]) -> None:
    """Let frozen dataclasses calculate their hash once: their fields never change.

    Args:
        kinds: after `dataclass` has given them their `__hash__`.
    """
    for kind in kinds:
        kind.__hash__ = _once(kind.__hash__)  # type: ignore[method-assign,assignment]


def _once(plain: Callable[[Remembers], int]) -> Callable[[Remembers], int]:
    def hashed(self: Remembers) -> int:
        try:
            return self._hash
        except AttributeError:
            found = plain(self)
            object.__setattr__(self, "_hash", found)
            return found

    return hashed
