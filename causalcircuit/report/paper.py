"""A terminal of a fixed width that reports are printed on, and read back as text."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Literal

from rich.console import Console

from causalcircuit.report.picture import PLAIN


def paper(
    width: int, *, colour: bool = False, system: Literal["standard", "256"] = "standard"
) -> tuple[Console, StringIO]:
    """A console that says just what it is told, and what it has printed.

    Args:
        width: in cells. colour: whether to use the colours of a terminal. system: which of them.
    """
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system=system if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    return console, out


def written(out: StringIO, ascii_only: bool, plain: Mapping[int, str] = PLAIN) -> str:
    """What was printed, less blanks at the ends of lines; with `ascii_only`, other characters as `plain` has them."""
    text = "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())
    return text.translate(plain).encode("ascii", "replace").decode() if ascii_only else text
