"""Making room: by age, by size, everything, and what other formats or damage left."""

from __future__ import annotations

import shutil
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from causalcircuit.store.ledger import Ledger
from causalcircuit.store.place import other_folders

_TABLES = ("outcomes", "totals", "plans", "files", "runs")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to go.

    Attributes:
        seconds: entries older than this. bytes: the oldest outcomes, until what is left takes no more than this.
        all: everything of this format. other, damaged: folders of other formats, and what was set aside.
    """

    seconds: float | None = None
    bytes: int | None = None
    all: bool = False
    other: bool = False
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What goes, or went: entries of each table, folders, and the bytes that they take."""

    entries: dict[str, int]
    folders: tuple[Path, ...]
    freed: int

    @property
    def anything(self) -> bool:
        """Whether there is something to remove."""
        return any(self.entries.values()) or bool(self.folders)


def measure(ledger: Ledger, wanted: Wanted, now: float | None = None) -> Cleaned:
    """What cleaning would remove."""
    before = _limit(ledger, wanted, time.time() if now is None else now)
    counts, freed = dict.fromkeys(_TABLES, 0), 0
    for table in _TABLES:
        size = "length(rows) + length(payload)" if table == "outcomes" else "length(payload)"
        query = f"SELECT count(*), total({size}) FROM {table} WHERE at < ?"  # noqa: S608 - names of this file
        count, size_of = ledger.ask(partial(_one, query, before), (0, 0.0))
        counts[table] = count
        freed += int(size_of)
    folders = tuple(p for p in other_folders(ledger.store) if (wanted.damaged if _damaged(p) else wanted.other))
    return Cleaned(counts, folders, freed + sum(_size(p) for p in folders))


def clean(ledger: Ledger, wanted: Wanted, now: float | None = None) -> Cleaned:
    """Remove it, and give the room back; what went."""
    moment = time.time() if now is None else now
    found = measure(ledger, wanted, moment)
    before = _limit(ledger, wanted, moment)

    def work(db: sqlite3.Connection) -> None:
        for table in _TABLES:
            db.execute(f"DELETE FROM {table} WHERE at < ?", (before,))  # noqa: S608 - names of this file

    if any(found.entries.values()) and ledger.write(work):
        ledger.ask(lambda db: db.execute("VACUUM"), None)
        ledger.ask(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(), None)
    for folder in found.folders:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _limit(ledger: Ledger, wanted: Wanted, now: float) -> float:
    """The moment before which everything goes."""
    if wanted.all:
        return float("inf")
    limit = now - wanted.seconds if wanted.seconds is not None else float("-inf")
    if wanted.bytes is not None:
        left = wanted.bytes
        query = "SELECT at, length(rows) + length(payload) FROM outcomes ORDER BY at DESC"
        none: list[tuple[float, int]] = []
        for at, size in ledger.ask(lambda db: db.execute(query).fetchall(), none):
            left -= size
            if left < 0:
                # Entries of one moment go together: the next later moment is the first that stays.
                return max(limit, float(at) + 1e-6)
    return limit


def _one(query: str, before: float, db: sqlite3.Connection) -> tuple[int, float]:
    found: tuple[int, float] = db.execute(query, (before,)).fetchone()
    return found


def _damaged(folder: Path) -> bool:
    return "damaged" in folder.name


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
