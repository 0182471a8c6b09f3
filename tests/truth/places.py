"""Positions of one row by plain string search, and patches under a mask by plain area."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from causalcircuit.query import Position, Word


def text_positions(
    position: Position, pieces: Sequence[str], lead: int, row: Mapping[str, Any], column: str | None
) -> list[int]:
    """Positions along a text.

    Args:
        position: as written.
        pieces: the text of each of its tokens; joined they are the text.
        lead: tokens that stand before the text (a start token).
        row: the row's columns.
        column: the column that feeds the text in this world, `None` where a literal does.
    """
    n = lead + len(pieces)
    match position.kind:
        case "list":
            found = [p for part in position.parts for p in text_positions(part, pieces, lead, row, column)]
        case "last":
            found = [n - 1]
        case "first":
            found = [0]
        case "all":
            found = list(range(n))
        case "index":
            found = [position.index if position.index >= 0 else n + position.index]
        case "token" | "span":
            tokens = _word_tokens(_spoken(position.words, row, column), position.number, pieces)
            found = [lead + t for t in (tokens if position.kind == "span" else tokens[-1:])]
        case _:
            raise ValueError(f"no such position in a text: {position}")
    return _shifted(found, position.offset, n)


def patch_positions(
    position: Position, grid: tuple[int, int], row: Mapping[str, Any], mask: Image.Image | None
) -> list[int]:
    """Positions along the patches of an image, a class token before them."""
    n = 1 + grid[0] * grid[1]
    match position.kind:
        case "list":
            found = [p for part in position.parts for p in patch_positions(part, grid, row, mask)]
        case "last":
            found = [n - 1]
        case "first":
            found = [0]
        case "all":
            found = list(range(n))
        case "index":
            found = [position.index if position.index >= 0 else n + position.index]
        case "image":
            found = [1 + position.index]
        case "inside" | "outside":
            share = _patch_area(mask, grid)
            found = [1 + k for k in range(n - 1) if (share[k] >= 0.5) == (position.kind == "inside")]
        case _:
            raise ValueError(f"no such position in an image: {position}")
    return _shifted(found, position.offset, n)


def _shifted(found: list[int], offset: int, n: int) -> list[int]:
    moved = [p + offset for p in found]
    if not all(0 <= p < n for p in moved):
        raise IndexError(f"{moved} is not within 0 to {n - 1}")
    return moved


def _spoken(words: Sequence[Word], row: Mapping[str, Any], column: str | None) -> str:
    """The word meant in this world: the alternative for the column that feeds it, or the one for any column."""
    for word in words:
        if word.within is None or word.within == column:
            return str(word.literal if word.column is None else row[word.column])
    raise LookupError(f"no word for the column {column}")


def _word_tokens(word: str, number: int | None, pieces: Sequence[str]) -> list[int]:
    """The tokens that spell the `number`-th whole-word occurrence of `word`."""
    text = "".join(pieces)
    matches = list(re.finditer(rf"(?<!\w){re.escape(word.removeprefix(' '))}(?!\w)", text))
    if number is None and len(matches) != 1:
        raise LookupError(f"{word!r} occurs {len(matches)} times in {text!r}")
    start, stop = matches[(number or 1) - 1].span()
    ends = np.cumsum([len(p) for p in pieces]).tolist()
    starts = [0, *ends[:-1]]
    return [t for t in range(len(pieces)) if starts[t] < stop and ends[t] > start]


def _patch_area(mask: Image.Image, grid: tuple[int, int]) -> list[float]:
    """The share of each patch that lies inside, row by row; the mask's sides are multiples of the grid's."""
    inside = np.asarray(mask.convert("L")) >= 128
    high, wide = inside.shape[0] // grid[0], inside.shape[1] // grid[1]
    return [
        float(inside[r * high : (r + 1) * high, c * wide : (c + 1) * wide].mean())
        for r in range(grid[0])
        for c in range(grid[1])
    ]
