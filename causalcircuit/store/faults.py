"""What can go wrong with the store: nothing of it stops a run, and nothing of it changes a number."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from causalcircuit.diagnostics import Diagnostic, warning

Fault = Literal["damaged", "locked", "full", "closed"]

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_MISMATCH", "SQLITE_ERROR", "SQLITE_TOOBIG"}
_LOCKED = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"}
_FULL = {"SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY"}


def fault_of(problem: Exception) -> Fault:
    """What an error of SQLite means for the store."""
    name = getattr(problem, "sqlite_errorname", None) or ""
    primary = "_".join(name.split("_")[:2])
    if primary in _LOCKED:
        return "locked"
    if primary in _FULL:
        return "full"
    # A missing table or a column of another type is damage too: nobody else writes here.
    if primary in _DAMAGED or (not name and isinstance(problem, sqlite3.DatabaseError | ValueError | OverflowError)):
        return "damaged"
    return "closed"


def unusable(folder: Path, why: str) -> Diagnostic:
    """CQ740: the run goes on without a store."""
    return warning(
        "CQ740",
        f"the store of outcomes in `{folder}` cannot be used: {why}",
        help=(
            "the run went on without it: nothing was found there, and nothing is kept",
            "`CAUSALCIRCUIT_STORE` names another folder, `--no-store` says that none is wanted",
        ),
    )


def unwritable(folder: Path, why: str) -> Diagnostic:
    """CQ741: what is known is used, what is new is not kept."""
    return warning(
        "CQ741",
        f"nothing more is kept in the store of outcomes: {why}",
        where=str(folder),
        help="the numbers are whole; `cq runs clean` makes room, `CAUSALCIRCUIT_STORE` names another folder",
    )


def rebuilt(aside: Path | None, why: str) -> Diagnostic:
    """CQ742: a ledger that SQLite cannot read."""
    kept = f"it was set aside as `{aside}`, and a new one begun" if aside is not None else "a new one was begun"
    return warning(
        "CQ742",
        f"the store of outcomes was damaged ({why}): {kept}",
        help="what it held is computed again; `cq runs clean --damaged` removes what was set aside",
    )


def dropped(entries: int, folder: Path) -> Diagnostic:
    """CQ742: entries whose checksum does not hold."""
    return warning(
        "CQ742",
        f"{entries} damaged entr{'y' if entries == 1 else 'ies'} of the store of outcomes "
        f"{'was' if entries == 1 else 'were'} dropped",
        where=str(folder),
        help="what they held is computed again",
    )


def foreign(folders: list[Path]) -> Diagnostic:
    """CQ743: outcomes of another format lie beside."""
    names = ", ".join(p.name for p in folders)
    return Diagnostic(
        "CQ743",
        f"the store of outcomes begins anew: what lies beside it ({names}) is of another version of its format",
        where=str(folders[0].parent),
        severity="note",
        help=("it stays as it is, for the program that wrote it; `cq runs clean --other` removes it",),
    )


def locked(folder: Path, seconds: float) -> Diagnostic:
    """CQ744: another process holds the ledger."""
    return warning(
        "CQ744",
        f"another process held the store of outcomes for more than {seconds:g} s",
        where=str(folder),
        help="the run went on without it: what is new is not kept",
    )
