"""The positions of one tower in groups, as far as sites name them, and what may pass from group to group.

Which tokens a site stands on is known row by row only; a diagram holds for all rows. So positions are put into groups:
one for each position that is named, and one for each gap between numbered ones. What is not known of two groups (which
comes first, whether they are one) counts as possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from causalcircuit.query.address import Position
from causalcircuit.query.relations import relation

_JOINED = ("list", "except", "each")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A group of positions.

    Attributes:
        named: the position that names it; `None` for positions that nothing names.
        behind: of the latter, how many of the numbers that count from the start lie before it, and of those that
            count from the end.
        new: whether it is all that follows the prompt: answers and generated tokens.
    """

    named: Position | None = None
    behind: tuple[int, int] = (0, 0)
    new: bool = False


@dataclass(frozen=True, slots=True)
class Stretches:
    """All positions of a tower.

    Attributes:
        members: the groups. starts, ends: the numbers that are named, from the start and (negative) from the end.
        causal: whether a position sees only itself and earlier ones.
    """

    members: tuple[Stretch, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    causal: bool

    @classmethod
    def of(cls, positions: Iterable[Position], causal: bool, new: bool = False) -> Stretches:
        """The groups that some positions make; with `new` one more for what follows the prompt."""
        named = tuple(dict.fromkeys(p for position in positions for p in _singles(position)))
        numbers = sorted(p.index for p in named if p.kind == "index" and not p.offset and p.index is not None)
        starts, ends = tuple(n for n in numbers if n >= 0), tuple(n for n in numbers if n < 0)
        gaps = [
            Stretch(None, (a, b))
            for a in range(len(starts) + 1)
            for b in range(len(ends) + 1)
            if _room(starts, a, 0, None) and _room(ends, b, None, -1)
        ]
        made = [*(Stretch(p) for p in named), *gaps, *([Stretch(new=True)] if new else [])]
        return cls(tuple(made), starts, ends, causal)

    def sure(self, position: Position) -> tuple[int, ...]:
        """The groups that belong to a position in every row."""
        return tuple(i for i, s in enumerate(self.members) if self._within(s, position) == "yes")

    def possible(self, position: Position) -> tuple[int, ...]:
        """The groups that may belong to a position, in whole or in part."""
        return tuple(i for i, s in enumerate(self.members) if self._within(s, position) != "no")

    def _within(self, stretch: Stretch, position: Position) -> str:
        if stretch.new:
            return "yes" if position.new else "no"
        if position.kind == "all" or (position.kind == "each" and not position.parts):
            return "yes"
        if position.kind in ("list", "each"):
            found = {self._within(stretch, p) for p in position.parts}
            return "yes" if "yes" in found else "maybe" if "maybe" in found else "no"
        if position.kind == "except":
            whole, *less = (self._within(stretch, p) for p in position.parts)
            if whole == "no" or "yes" in less:
                return "no"
            return "maybe" if whole == "maybe" or "maybe" in less else "yes"
        if stretch.named is None:
            return "no"
        found_ = relation(stretch.named, _numbered(position))
        return {"same": "yes", "inside": "yes", "apart": "no"}.get(found_, "maybe")

    def meet(self, i: int, j: int) -> bool:
        """Whether two groups may have a position in common."""
        one, other = self.members[i], self.members[j]
        if i == j or one.named is None or other.named is None:
            return i == j
        return relation(one.named, other.named) != "apart"

    def sees(self, i: int, j: int) -> bool:
        """Whether a position of group `j` may look at one of group `i`."""
        if not self.causal or i == j:
            return True
        one, other = self.members[i], self.members[j]
        if one.new or other.new:
            return other.new
        return all(a is None or b is None or a <= b for a, b in zip(self._rank(one), self._rank(other), strict=True))

    def _rank(self, stretch: Stretch) -> tuple[float | None, float | None]:
        """Where a group lies among the numbers from the start, and among those from the end."""
        if stretch.named is None:
            return stretch.behind[0] - 0.5, stretch.behind[1] - 0.5
        index = stretch.named.index if stretch.named.kind == "index" and not stretch.named.offset else None
        if index is None:
            return None, None
        return (self.starts.index(index), None) if index >= 0 else (None, self.ends.index(index))


def _singles(position: Position) -> Iterator[Position]:
    """The positions that a position is written with, numbers as numbers."""
    if position.kind in _JOINED:
        for part in position.parts:
            yield from _singles(part)
    elif position.kind not in ("all", "new"):
        yield _numbered(position)


def _numbered(position: Position) -> Position:
    """`first`, `last` and offsets from them as numbers: `@ (last - 1)` is `@ -2`."""
    start = {"first": 0, "last": -1, "index": position.index or 0}.get(position.kind)
    if start is None or (start < 0) != (start + position.offset < 0):
        return position
    return Position("index", index=start + position.offset)


def _room(numbers: tuple[int, ...], before: int, least: int | None, most: int | None) -> bool:
    """Whether there are positions between the `before` first of some numbers and the next one."""
    low = numbers[before - 1] if before else least if least is None else least - 1
    high = numbers[before] if before < len(numbers) else most if most is None else most + 1
    return low is None or high is None or high - low > 1
