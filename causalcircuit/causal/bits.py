"""Sets of vertices as the bits of an integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def bits(mask: int) -> Iterator[int]:
    """The members of a set, ascending.

    >>> list(bits(0b1011))
    [0, 1, 3]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(members: Iterable[int]) -> int:
    """The set of some members."""
    found = 0
    for member in members:
        found |= 1 << member
    return found


def subsets(mask: int) -> Iterator[int]:
    """Every subset of a set, the empty one first, smaller numbers before larger ones."""
    part = 0
    while True:
        yield part
        if part == mask:
            return
        part = (part - mask) & mask


def before(vertex: int) -> int:
    """The vertices with a smaller number."""
    return (1 << vertex) - 1
