"""Positions of one row: resolved once, on the prompt or the image that the node's world feeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from causalcircuit.models.multimodal import BLANK, PLACE
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import Prompt
from causalcircuit.query import Position, Tower, Word

NEW = 1 << 40
"""Stands among the places of a row for every generated position, which is known only while a text is written."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What positions of a tower stand on, in one row and world.

    Attributes:
        tower: the tower.
        length: number of positions: tokens, or patches and what precedes them.
        prompt: the text, for a text tower.
        fed_by: the column that feeds the text, where one does.
        row: a column's value in this row.
        shown: of an image tower or of a text with an image in it: the places of its patches, or image tokens.
        inside: for each of these, whether it is inside the mask in a column; `None` for one made from no pixel.
    """

    tower: Tower
    length: int
    prompt: Prompt | None
    fed_by: str | None
    row: Callable[[str], Any]
    shown: Callable[[], tuple[int, ...]] | None = None
    inside: Callable[[str], tuple[bool | None, ...]] | None = None


def resolve(position: Position, ground: Ground) -> tuple[int, ...]:
    """The places that a position means, counted from 0 in the row's own prompt or image.

    Raises:
        RowError: CQ509 out of range, CQ521 word not found, CQ522 word repeated, CQ523 no word for this prompt,
            CQ516 and CQ517 a position that this tower has not, CQ525 an empty region.
    """
    places = _bare(position, ground)
    moved = tuple(p if p == NEW else p + position.offset for p in places)
    bad = [p for p in moved if p != NEW and not 0 <= p < ground.length]
    if bad:
        kind = "positions" if ground.prompt is not None else "positions (class token and patches)"
        raise RowError(
            "CQ509",
            f"`@ {position}` is out of range",
            f"{bad[0]} in {ground.length} {kind}",
            "positions count from 0, negative ones from the end; what stands at every row is `last`, `first` or a word",
        )
    return moved


def _bare(position: Position, ground: Ground) -> tuple[int, ...]:
    match position.kind:
        case "last":
            return (ground.length - 1,)
        case "first":
            return (0,)
        case "all":
            return tuple(range(ground.length))
        case "index":
            index = position.index or 0
            return (index if index >= 0 else ground.length + index,)
        case "list":
            return tuple(dict.fromkeys(p for part in position.parts for p in resolve(part, ground)))
        case "except":
            return _less(position, ground)
        case "token":
            return _word(position, ground)[-1:]
        case "span":
            return _word(position, ground)
        case "image" | "inside" | "outside":
            return _patches(position, ground)
        case "each":
            raise RowError(
                "CQ517", "`@ each` makes a family and stands in `test … for` and `show` only", "",
                "write one position, or `@ all` for all of them together",
            )  # fmt: skip
        case "new":
            if ground.prompt is None:
                raise RowError(
                    "CQ483", "`@ new` stands on a text that is written, and the site is on what the model reads", "",
                    "write positions of what it reads: `@ all`",
                )  # fmt: skip
            return (NEW,)


def _less(position: Position, ground: Ground) -> tuple[int, ...]:
    whole, *less = (resolve(part, ground) for part in position.parts)
    found = tuple(p for p in whole if not any(p in other for other in less))
    if not found:
        raise RowError(
            "CQ525", f"`@ {position}` is empty", f"nothing is left of {len(whole)} positions",
            "leave such rows out with `where`, or leave less out",
        )  # fmt: skip
    return found


def _patches(position: Position, ground: Ground) -> tuple[int, ...]:
    if ground.shown is None or ground.inside is None:
        raise RowError(
            "CQ516",
            f"`@ {position}` stands on an image, and the site is on a text without one",
            "",
            "write a position of a text: `@ last`, `@ token(row.word)`, `@ all`",
        )
    what = "patch" if ground.prompt is None else "image token"
    if position.kind == "image":
        shown = ground.shown()
        index, count = position.index or 0, len(shown)
        if not -count <= index < count:
            many = f"{count} patches" if what == "patch" else f"{count} image tokens"
            raise RowError("CQ509", f"`@ {position}` is out of range", many, f"0 to {count - 1} exist")
        return (shown[index],)
    chosen = ground.inside(position.mask or "")
    want = position.kind == "inside"
    found = tuple(place for place, inside in zip(ground.shown(), chosen, strict=True) if inside is want)
    if not found:
        raise RowError(
            "CQ525",
            f"`@ {position}` is empty",
            f"no {what} has half its area " + ("inside the mask" if want else "outside the mask"),
            "pixels of 128 and more (of 255) are inside; leave such rows out with `where`",
        )
    return found


def _word(position: Position, ground: Ground) -> tuple[int, ...]:
    """The tokens of the word's chosen occurrence."""
    prompt = ground.prompt
    if prompt is None:
        raise RowError(
            "CQ516",
            f"`@ {position}` stands on a text, and the site is on an image",
            "",
            "write a position of an image: `@ inside(row.mask)`, `@ image[k]`, `@ all`",
        )
    word = spelled(alternative(position.words, ground.fed_by, str(position)), ground.row)
    found = occurrences(word, prompt.text)
    shown = f"`{word}` in {re.sub(f'{BLANK}+', PLACE, prompt.text)!r}"
    if not found:
        raise RowError("CQ521", f"`@ {position}` finds no word", shown, "whole words are matched, letter for letter")
    if position.number is None and len(found) > 1:
        raise RowError(
            "CQ522",
            f"`@ {position}` finds its word more than once",
            f"{len(found)} times {shown}",
            f"say which one: `{_numbered(position)}`",
        )
    number = 1 if position.number is None else position.number
    if not 1 <= number <= len(found):
        raise RowError(
            "CQ521",
            f"`@ {position}` finds no occurrence {number}",
            f"{len(found)} times {shown}",
            "occurrences count from 1",
        )
    start, end = found[number - 1]
    # A token counts where it shares a character with the word; special tokens have none.
    return tuple(i for i, (a, b) in enumerate(prompt.offsets) if a < end and b > start)


def _numbered(position: Position) -> str:
    return f"{position.kind}({', '.join(map(str, position.words))}, 1)"


def alternative(words: Sequence[Word], fed_by: str | None, shown: str) -> Word:
    """The word that holds for the column that feeds the prompt.

    Raises:
        RowError: CQ523.
    """
    for word in words:
        if word.within is not None and word.within == fed_by:
            return word
    for word in words:
        if word.within is None:
            return word
    fed = f"row.{fed_by}" if fed_by is not None else "a constant text"
    raise RowError(
        "CQ523",
        f"`@ {shown}` says nothing for worlds whose prompt is {fed}",
        "",
        f"add an alternative: `row.word in {fed}`",
    )


def spelled(word: Word, row: Callable[[str], Any]) -> str:
    """The letters to look for; one leading space is ignored.

    Raises:
        RowError: CQ521, nothing to look for.
    """
    value = word.literal if word.column is None else row(word.column)
    text = str(value).removeprefix(" ") if value is not None else ""
    if not text:
        raise RowError("CQ521", f"`{word}` is empty: there is no word to find", "", "fill the column")
    return text


def occurrences(word: str, text: str) -> list[tuple[int, int]]:
    """Where `word` stands in `text` as a whole word, as half-open ranges of characters.

    >>> occurrences("man", "a woman and a man")
    [(14, 17)]
    """
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w$", word) else ""
    return [m.span() for m in re.finditer(before + re.escape(word) + after, text)]
