"""`docs/errors.md`: the index of all codes, from the pages.  `python -m repotools.errors` writes it anew."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from causalcircuit.diagnostics import codes, title

INDEX = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
PAGES = "../causalcircuit/diagnostics/pages"
GROUPS = {
    "1": "Syntax",
    "2": "Names and kinds",
    "3": "The meaning of worlds and queries",
    "4": "Data files and columns",
    "5": "Models, tokens, answers, positions",
    "6": "Inference",
    "7": "While running, after the first forward pass",
    "8": "Circuit claims, causal diagrams and identification",
    "9": "Regimes, structural models, estimators and families",
}


def index() -> str:
    """The index as Markdown: a table for each group of codes."""
    parts = [
        "# Errors and warnings",
        "`cq explain CODE` prints the page of a code: the cause, an example, the way out. "
        "Errors before the first forward pass exit with 2, those after it with 3; "
        "warnings and notes are printed with the result.\n\n"
        "(Made by `python -m repotools.errors` from the pages.)",
    ]
    for digit, members in groupby(codes(), key=lambda code: code[2]):
        rows = "\n".join(f"| [{code}]({PAGES}/{code}.md) | {title(code)} |" for code in members)
        parts.append(f"## {GROUPS[digit]}\n\n| code | |\n|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    INDEX.write_text(index(), encoding="utf-8")
