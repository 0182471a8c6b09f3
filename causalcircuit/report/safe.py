"""Words from data and programs, made fit for a terminal."""

from __future__ import annotations

import unicodedata

from rich.text import Text


def clean(text: str) -> str:
    """`text` with control characters written out, so that no column of a data file can steer a terminal."""
    return "".join(
        c if c in "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else f"\\x{ord(c):02x}" for c in text
    )


def words(text: str, style: str = "") -> Text:
    """Cleaned text for a table; brackets in it are no markup."""
    return Text(clean(text), style=style)
