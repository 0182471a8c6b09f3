"""The catalogue of codes: one page of Markdown a code, in `pages/`."""

from __future__ import annotations

import re
from pathlib import Path

_PAGES = Path(__file__).with_name("pages")


def codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    found = (p.name.removesuffix(".md") for p in _PAGES.iterdir() if p.name.endswith(".md"))
    return tuple(sorted(c for c in found if re.fullmatch(r"CQ\d{3}", c)))


def page(code: str) -> str | None:
    """The page of a code as Markdown, or `None` where there is no such code."""
    path = _PAGES / f"{code.strip().upper()}.md"
    return path.read_text(encoding="utf-8") if re.fullmatch(r"CQ\d{3}\.md", path.name) and path.is_file() else None


def title(code: str) -> str:
    """The headline of a code's page, without the code."""
    text = page(code) or ""
    return text.partition("\n")[0].removeprefix(f"# {code}:").strip()
