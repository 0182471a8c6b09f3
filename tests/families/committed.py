"""The committed table, read back."""

from __future__ import annotations

from functools import cache

from tests.families.standing import SITES
from tests.families.table import DOCUMENT


@cache
def page() -> str:
    """`docs/families.md`."""
    return DOCUMENT.read_text(encoding="utf-8")


def line(family: str) -> str:
    """A family's line."""
    return next(x for x in page().splitlines() if x.startswith(f"| {family} |"))


def cells(family: str) -> dict[str, str]:
    """A family's cells by site."""
    return dict(zip(SITES, line(family).strip("| ").split(" | ")[1:], strict=True))


def remarks(family: str) -> list[str]:
    """What stands under a family's name below the table."""
    _, found, rest = page().partition(f"### {family}\n")
    return [x[2:] for x in rest.partition("###")[0].splitlines() if x.startswith("- ")] if found else []
