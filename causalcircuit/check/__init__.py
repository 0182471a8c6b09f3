"""From trees to a checked `Program`: names, kinds, units, and the rules of meaning. No torch."""

from __future__ import annotations

from pathlib import Path

from causalcircuit.check.chats import turn, with_pictures
from causalcircuit.check.checker import Checker
from causalcircuit.check.hypotheses import claim, region_text
from causalcircuit.check.rules import examine, queries_of
from causalcircuit.check.sources import locate, sites
from causalcircuit.check.values import kind_of
from causalcircuit.diagnostics import Source, error, instead_of
from causalcircuit.query import Program
from causalcircuit.query.hub import Online

__all__ = [
    "Checker",
    "check_file",
    "check_text",
    "claim",
    "examine",
    "kind_of",
    "locate",
    "queries_of",
    "read_source",
    "region_text",
    "sites",
    "turn",
    "with_pictures",
]


def check_text(text: str, name: str = "<text>", folder: Path | None = None, online: Online = "") -> Program:
    """A program from its text; relative paths are relative to `folder`, and `online` says what may be downloaded.

    Raises:
        DiagnosticError: everything that is wrong with it.
    """
    checker = Checker((folder or Path.cwd()).resolve(), online=online)
    return checker.read(Source(name, text))


def check_file(path: Path, online: Online = "") -> Program:
    """A program from its file; `online` says what may be downloaded.

    Raises:
        DiagnosticError: the file cannot be read (CQ230), or everything that is wrong with it.
    """
    checker = Checker(path.resolve().parent, chain=(path.resolve(),), online=online)
    return checker.read(read_source(path))


def read_source(path: Path) -> Source:
    """The text of a `.cq` file."""
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = instead_of(path.name, (p.name for p in path.parent.glob("*.cq")))
        raise error("CQ230", f"the file `{path}` does not exist", help=near or "check the path") from None
    except IsADirectoryError:
        inside = ", ".join(sorted(p.name for p in path.glob("*.cq")))
        help = f"files in it: {inside}" if inside else "name a .cq file"
        raise error("CQ230", f"`{path}` is a folder, not a file", help=help) from None
    except (UnicodeDecodeError, OSError) as problem:
        raise error(
            "CQ230", f"the file `{path}` cannot be read: {problem}", help="a .cq file is text in UTF-8"
        ) from None
