"""Did-you-mean: the nearest of the names that exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name of `known` that is most like `word`, or `None` where nothing is near."""
    names = list(dict.fromkeys(known))
    folded = {name.casefold(): name for name in reversed(names)}
    if word.casefold() in folded:
        return folded[word.casefold()]
    short = len(word) <= 2
    # To a short word most long ones that hold its letters would be near.
    near = [name for name in folded if not short or len(name) <= len(word) + 1]
    found = get_close_matches(word.casefold(), near, n=1, cutoff=0.5 if short else cutoff)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line for a misspelt `word`: the nearest name, or a list of what there is."""
    names = list(dict.fromkeys(known))
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{n}`" for n in names[:12])
    return f"known here: {shown}" + (" …" if len(names) > 12 else "")


def instead_of(missing: str, names: Iterable[str], place: str = "in that folder") -> str:
    """A help line for a file that a folder lacks: the nearest name there, or the first few."""
    found = sorted(names)
    near = nearest(missing, found)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"{place}: {', '.join(found[:8])}{' …' if len(found) > 8 else ''}" if found else ""
