"""Files that are written whole or not at all, and tried before anything runs."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from causalcircuit.diagnostics import DiagnosticError, error


def check_place(path: Path, what: str) -> None:
    """Whether a file can be written there, found out by making one beside it.

    Raises:
        DiagnosticError: CQ939.
    """
    if path.is_dir():
        raise error(
            "CQ939", f"{what} cannot be written to `{path}`: it is a folder", help=f"name a file in it: {path}/…"
        )
    try:
        beside = _beside(path)
        beside.touch(exist_ok=False)
        beside.unlink()
    except OSError as problem:
        raise _unwritable(path, what, problem) from None


def write_whole(path: Path, content: bytes, what: str, mode: int | None = None) -> None:
    """Write a file in one step: a reader sees the old one or the new one, whatever happens between.

    Args:
        path: of the file. content: of it. what: it is, for messages.
        mode: of a new file, where not that of any other.

    Raises:
        DiagnosticError: CQ939.
    """
    beside = _beside(path)
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(beside, flags, 0o666 if mode is None else mode), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as problem:
        raise _unwritable(path, what, problem) from None


def _beside(path: Path) -> Path:
    """A name in the same folder that nobody else has."""
    return path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}")


def _unwritable(path: Path, what: str, problem: OSError) -> DiagnosticError:
    way = "name another file" if path.parent.is_dir() else f"make the folder `{path.parent}`, or name another"
    return error("CQ939", f"{what} cannot be written to `{path}`: {problem.strerror}", help=way)
