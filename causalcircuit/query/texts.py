"""Texts that models write, and words in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from causalcircuit.query.sites import SiteTable


def writes(table: SiteTable) -> bool:
    """Whether a model can write a text: its output is a vocabulary, and no position sees later ones."""
    tower = table.readout_tower
    return table.readout == "vocabulary" and tower.modality == "text" and tower.causal


def mentioned(text: str, words: Iterable[str]) -> bool:
    """Whether one of `words` stands in `text` as a whole word, whatever their case and their composition of accents.

    A word may be several (`"fire truck"`); no letter, digit or underscore stands before or after it.

    >>> mentioned("Two women, a dog.", ["woman", "Dog"]), mentioned("a mandarin", ["man"])
    (True, False)
    """
    folded = _folded(text)
    return any(re.search(_pattern(_folded(word)), folded) is not None for word in words)


def _pattern(word: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w$", word) else ""
    return before + re.escape(word) + after


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())
