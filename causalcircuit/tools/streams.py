"""Standard output and error: what they can show, and how results and diagnostics get there."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:  # `cq --help` should not have to load what a result or a diagnostic is
    from causalcircuit.diagnostics import Diagnostic
    from causalcircuit.query import Result
    from causalcircuit.query.listing import Listing

PIPE_WIDTH = 80
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def coloured(stream: TextIO) -> bool:
    """Whether to send colours: to terminals only, and never under NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int:
    """How many cells wide a text for `stream` may be."""
    return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns if stream.isatty() else PIPE_WIDTH


def ascii_only(stream: TextIO) -> bool:
    """Whether the signs of a report cannot be encoded."""
    try:
        "├●─┊".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def forgiving() -> None:
    """Let both streams replace what they cannot encode, rather than fail on a name in another script."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: `cq run a.cq >&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        stream = getattr(sys, name)
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def show(result: Result, *, brief: bool = False) -> None:
    """Print a result for people."""
    from causalcircuit.report import to_text  # rich is loaded only when there is something to print

    out = sys.stdout
    text = to_text(result, width=width(out), colour=coloured(out), brief=brief, ascii_only=ascii_only(out))
    write(text)


def show_sites(listing: Listing, *, machine: bool) -> None:
    """Print a model's sites."""
    from causalcircuit.report.sites import sites_json, sites_text

    if machine:
        write(sites_json(listing) + "\n")
        return
    out = sys.stdout
    write(sites_text(listing, width=width(out), colour=coloured(out), ascii_only=ascii_only(out)))


def show_all_sites(listings: Sequence[Listing], *, machine: bool) -> None:
    """Print the sites of all models of a file."""
    from causalcircuit.report.sites import all_sites_json

    if machine:
        write(all_sites_json(listings) + "\n")
        return
    for i, found in enumerate(listings):
        if i:
            write("\n")
        show_sites(found, machine=False)


def show_json(
    result: Result | None = None, diagnostics: Sequence[Diagnostic] = (), *, interrupted: bool = False
) -> None:
    """Print a result, or what went wrong, for machines."""
    from causalcircuit.report import to_json

    write(to_json(result, diagnostics, interrupted=interrupted) + "\n")


def complain(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics to standard error, errors last, a line that counts them where there are several."""
    ordered = sorted(dict.fromkeys(diagnostics), key=lambda d: d.is_error)
    for diagnostic in ordered:
        say(_painted(diagnostic) + "\n")
    if len(ordered) > 1:
        counts = {s: sum(d.severity == s for d in ordered) for s in _COLOURS}
        say(", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in counts.items() if n))


def write(text: str) -> None:
    """Print to standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _painted(diagnostic: Diagnostic) -> str:
    """A diagnostic as text, its headline coloured; control characters that it quotes are written out."""
    from causalcircuit.diagnostics import render

    text = _CONTROL.sub(lambda m: f"\\x{ord(m.group()):02x}", render(diagnostic))
    head, colon, rest = text.partition(":")
    if coloured(sys.stderr):
        head = click.style(head, fg=_COLOURS[diagnostic.severity], bold=True)
    return head + colon + rest
