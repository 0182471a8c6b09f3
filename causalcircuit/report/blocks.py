"""Which answers are shown together: those of one kind about one data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, takewhile

from causalcircuit.query import Estimate, Tested
from causalcircuit.query.each import SEEN
from causalcircuit.query.regimes import BY

Answer = Estimate | Tested

_ORDER = {"supported": 0, "refuted": 1, "inconclusive": 2}


def estimate_blocks(estimates: Sequence[Estimate]) -> list[list[Estimate]]:
    """Neighbours that share data, target, level, comments and the axes of a sweep or group."""
    return [_sorted(list(block)) for _, block in groupby(estimates, lambda e: (_shared(e), e.level, _axes_and_name(e)))]


def test_blocks(tested: Sequence[Tested]) -> list[list[Tested]]:
    """The claims of one family; those of a sweep by verdict, then p, then value."""
    blocks = [list(b) for _, b in groupby(tested, lambda t: (_shared(t), t.family, t.correction, t.alpha))]
    return [sorted(b, key=_rank) if axes_of(b) else b for b in blocks]


def axes_of(block: Sequence[Answer]) -> tuple[str, ...]:
    """The axes along which the answers of a block lie: of a sweep, of row groups; empty for named ones."""
    return tuple(dict.fromkeys(axis for x in block for axis, _ in x.at))


def swept(block: Sequence[Answer]) -> list[str]:
    """The axes of a block that are swept over, as against groups of rows and the tokens at positions."""
    return [axis for axis in axes_of(block) if not axis.startswith("row.") and axis not in (SEEN, BY)]


def shared_ends(block: Sequence[Answer], axis: str) -> tuple[str, str]:
    """How the addresses of all members begin and end, in whole steps: `gpt2.`, `.out @ last`."""
    members = {dict(x.at).get(axis, "") for x in block}
    if len(members) < 2:
        return "", ""
    steps = [m.split(".") for m in members]
    first = _alike(steps)
    last = _alike([s[first:][::-1] for s in steps])
    before, after = steps[0][:first], steps[0][len(steps[0]) - last :]
    return "".join(f"{s}." for s in before), "".join(f".{s}" for s in after)


def _alike(lists: list[list[str]]) -> int:
    """How many first elements all lists share, short of a whole list."""
    same = takewhile(lambda column: len(set(column)) == 1, zip(*lists, strict=False))
    return min(len(list(same)), *(len(x) - 1 for x in lists))


def label(x: Answer) -> str:
    """What tells an answer from its neighbours: its member, or its name."""
    return ", ".join(v for _, v in x.at) if x.at else x.name


def by_text(block: Sequence[Answer], text: Callable[[Answer], Iterable[str]]) -> list[str]:
    """The texts of all answers, each once; one that not all share says whose it is."""
    owners: dict[str, list[str]] = {}
    for x in block:
        for line in text(x):
            owners.setdefault(line, []).append(label(x))
    return [
        line if len(names) == len(block) else f"{_list(list(dict.fromkeys(names)))}: {line}"
        for line, names in owners.items()
    ]


def _list(names: list[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"


def _shared(x: Answer) -> tuple[object, ...]:
    return x.data, x.target, x.comments, x.standing, x.graph if isinstance(x, Estimate) else ""


def _axes_and_name(e: Estimate) -> tuple[object, ...]:
    return tuple(axis for axis, _ in e.at), e.name if any(not a.startswith("row.") for a, _ in e.at) else ""


def _sorted(block: list[Estimate]) -> list[Estimate]:
    names = list(dict.fromkeys(e.name for e in block))
    if any(axis == BY for e in block for axis, _ in e.at):
        return block  # regimes stand as they were asked for, their differences after them
    return sorted(block, key=lambda e: (names.index(e.name), [_natural(v) for _, v in e.at]))


def _rank(t: Tested) -> tuple[object, ...]:
    p = t.p_refute_adjusted if t.verdict == "refuted" else t.p_adjusted
    return (
        _ORDER[t.verdict],
        2.0 if p is None else round(p, 4),
        -abs(t.value) if t.value is not None else 0.0,
        [_natural(v) for _, v in t.at],
    )


def _natural(text: str) -> list[tuple[int, float, str]]:
    """A sort key in which `layer[9]` comes before `layer[10]` and `-2` before `1`."""
    try:
        return [(0, float(text), "")]
    except ValueError:
        parts = re.split(r"(\d+)", text)
        return [(1, float(p), "") if p.isdecimal() else (2, 0.0, p) for p in parts]
