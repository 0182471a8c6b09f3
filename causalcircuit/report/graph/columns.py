"""Which column of a picture a position falls into, and what stands above it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from causalcircuit.query.address import Position

_IMAGE = 4
"""Placeholders from which on they are taken for the tokens of an image."""
_JOINT = ("all", "each", "list", "span", "inside", "outside", "except", "new")


@dataclass(frozen=True, slots=True)
class Column:
    """Where nodes of one position stand.

    Attributes:
        label: the token, or the position as written where no token is known. note: the position as written.
        index: along the tower's tokens; `None` where it is not known.
    """

    label: str
    note: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """The columns of one tower, and the column of each position that occurs; none where all nodes share one."""

    columns: tuple[Column, ...]
    of: Mapping[Position, int]


def shown(token: str) -> str:
    """A token as a label: without the blank that most begin with, and seen where it is nothing else."""
    return token.strip() or ("⏎" if "\n" in token else "␣" if token else "")


def image_tokens(tokens: Sequence[str]) -> tuple[int, ...]:
    """Where the tokens of a text stand that an image is put into: one placeholder (`<image>`), many times."""
    counted = Counter(t.strip() for t in tokens if re.fullmatch(r"\s*(<.+>|\[.+\]|▦)\s*", t))
    word, times = max(counted.items(), key=lambda item: item[1], default=("", 0))
    return tuple(i for i, t in enumerate(tokens) if t.strip() == word) if times >= _IMAGE else ()


def index_of(position: Position, length: int, images: Sequence[int] = ()) -> int | None:
    """The place of a position among `length` tokens (0: unknown); `None` where rows or images decide it.

    `images` are the places of image tokens.
    """
    at: int | None = None
    if position.kind == "image" and position.index is not None and 0 <= position.index < len(images):
        at = images[position.index]
    elif position.kind == "index" and position.index is not None:
        at = position.index
        if at < 0:
            at = at + length if length else None
    elif position.kind == "first":
        at = 0
    elif position.kind == "last" and length:
        at = length - 1
    if at is None:
        return None
    at += position.offset
    return at if at >= 0 and (not length or at < length) else None


def token_at(position: Position, tokens: Sequence[str], places: Mapping[Position, int] | None = None) -> str:
    """What stands at a position in the typical row; empty where that is not known."""
    at = index_of(position, len(tokens))
    at = (places or {}).get(position) if at is None and tokens else at
    return tokens[at] if at is not None and at < len(tokens) else ""


def axis(
    positions: Iterable[Position], tokens: Sequence[str], places: Mapping[Position, int] | None = None, wide: int = 0
) -> Axis:
    """The columns of a tower whose nodes stand at `positions`; `places` has what is known of them in the typical row.

    Patches are named by row and column where it is known that `wide` of them stand side by side. Positions with a
    number come in its order, with every token of the typical row between them; those that differ from row to row
    (`token(row.subject)`) stand before them where it is not known, joint ones (`all`) first, `last` without tokens
    last.
    """
    seen = list(dict.fromkeys(positions))
    if len(seen) < 2:
        return Axis((), {})
    images = image_tokens(tokens)
    known = {p: index_of(p, len(tokens), images) for p in seen}
    if places and tokens:
        known |= {p: places[p] for p in seen if known[p] is None and places.get(p, len(tokens)) < len(tokens)}
    patch = {i: p for p, i in known.items() if p.kind == "image"}
    word = {i: p for p, i in known.items() if p.kind == "token"}
    joint = [p for p in seen if known[p] is None and p.kind in _JOINT]
    ends = [p for p in seen if known[p] is None and p.kind == "last"]
    loose = [p for p in seen if known[p] is None and p not in joint and p not in ends]
    loose.sort(key=lambda p: (p.kind != "image", p.index or 0) if p.kind == "image" else (True, 0))
    numbered = range(len(tokens)) if tokens else sorted({i for i in known.values() if i is not None})
    columns: list[Column] = []
    of: dict[Position, int] = {}
    for p in (*joint, *loose):
        of[p] = len(columns)
        columns.append(Column(_loose(p, wide), str(p)))
    start = {i: len(columns) + n for n, i in enumerate(numbered)}
    for i in numbered:
        label = _loose(patch[i], wide) if i in patch else shown(tokens[i]) if tokens else str(i)
        columns.append(Column(label, str(patch.get(i, word.get(i, i))), i))
    for p in ends:
        of[p] = len(columns)
        columns.append(Column(str(p), str(p)))
    of.update({p: start[i] for p, i in known.items() if i is not None})
    return Axis(tuple(columns), of)


def _loose(p: Position, wide: int) -> str:
    """A patch by its row and column where the grid is known, else by its number."""
    if p.kind != "image" or p.index is None:
        return str(p)
    row, column = divmod(p.index, wide) if wide else (0, 0)
    return f"▦ {row},{column}" if wide else f"▦ {p.index}"
