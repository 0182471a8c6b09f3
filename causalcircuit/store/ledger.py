"""The ledger: one SQLite file that several processes may use, and that may be lost without harm.

Nothing here raises for what happens to the file: a fault is remarked once, and the run goes on with what still works.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.store import faults
from causalcircuit.store.place import SCHEMA, other_folders, own_folder

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

PATIENCE = 10.0
"""Seconds that a locked ledger is waited for."""

_APPLICATION = 0x43517374
_TABLES = """
CREATE TABLE IF NOT EXISTS outcomes(
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, mark BLOB NOT NULL, rows BLOB NOT NULL, payload BLOB NOT NULL,
    sum BLOB NOT NULL, run BLOB, at REAL NOT NULL, UNIQUE(key, mark));
CREATE TABLE IF NOT EXISTS totals(key BLOB PRIMARY KEY, payload BLOB NOT NULL, sum BLOB NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS plans(key BLOB PRIMARY KEY, payload BLOB NOT NULL, sum BLOB NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS files(key BLOB PRIMARY KEY, payload BLOB NOT NULL, sum BLOB NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS runs(key BLOB PRIMARY KEY, payload BLOB NOT NULL, sum BLOB NOT NULL, at REAL NOT NULL);
"""


class Ledger:
    """An open ledger; where it cannot be used it holds nothing, and says so in `remarks`."""

    def __init__(self, store: Path) -> None:
        """Open the ledger of a store, which is made where there is none."""
        self.store, self.folder = store, own_folder(store)
        self.path = self.folder / "ledger.sqlite"
        self.writable = True
        self.dropped = 0
        self._found: list[Diagnostic] = []
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._open()

    @property
    def remarks(self) -> tuple[Diagnostic, ...]:
        """What went wrong so far, each once."""
        lost = [faults.dropped(self.dropped, self.folder)] if self.dropped else []
        return tuple(dict.fromkeys([*self._found, *lost]))

    @property
    def usable(self) -> bool:
        """Whether anything can be found in it."""
        return self._db is not None

    def ask(self, work: Work[T], otherwise: T) -> T:
        """What `work` reads; `otherwise` where it cannot be read."""
        for _ in range(2):
            if self._db is None:
                return otherwise
            try:
                return work(self._db)
            except (sqlite3.Error, ValueError, OverflowError) as problem:
                self._suffer(problem, writing=False)
        return otherwise

    def write(self, work: Work[object]) -> bool:
        """Let `work` write in one transaction: all of it is kept, or nothing."""
        for _ in range(2):
            if self._db is None or not self.writable:
                return False
            try:
                self._db.execute("BEGIN IMMEDIATE")
                work(self._db)
                self._db.execute("COMMIT")
            except (sqlite3.Error, ValueError, OverflowError) as problem:
                self._back()
                self._suffer(problem, writing=True)
            except BaseException:
                self._back()
                raise
            else:
                return True
        return False

    def close(self) -> None:
        """Let go of the file; nothing is found or kept from then on."""
        if self._db is not None:
            try:
                self._db.close()
            except sqlite3.Error as problem:  # what could not be folded back stays in the log beside it
                self._found.append(faults.unwritable(self.folder, str(problem)))
        self._db = None

    def _back(self) -> None:
        if self._db is not None and self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                return

    def _open(self) -> None:
        try:
            new = not self.folder.is_dir()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                try:
                    self._connect()
                except (sqlite3.DatabaseError, ValueError) as problem:
                    if faults.fault_of(problem) != "damaged":
                        raise
                    self._set_aside(str(problem))
                    self._connect()
            beside = [p for p in other_folders(self.store) if "damaged" not in p.name]
            if new and beside:
                self._found.append(faults.foreign(beside))
        except (OSError, sqlite3.Error, ValueError) as problem:
            self._close_quietly()
            if not self._only_read():
                locked = isinstance(problem, sqlite3.Error) and faults.fault_of(problem) == "locked"
                why = getattr(problem, "strerror", None) or str(problem)
                self._found.append(faults.locked(self.folder, PATIENCE) if locked else faults.unusable(self.store, why))

    def _connect(self) -> None:
        self._db = db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        self._inode = os.stat(self.path).st_ino
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing so; a computer that loses power may lose its last chunks, whole ones.
        db.execute("PRAGMA synchronous = NORMAL")
        version, known = (db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("user_version", "application_id"))
        if (version, known) == (0, 0):
            db.executescript(_TABLES)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        elif (version, known) != (SCHEMA, _APPLICATION):
            raise ValueError(f"its version is {version}, in the place of {SCHEMA}")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def _only_read(self) -> bool:
        """Open a ledger in a folder that cannot be written, where nobody writes to it."""
        if not self.path.is_file() or os.access(self.folder, os.W_OK):
            return False
        waiting = self.path.with_name(self.path.name + "-wal")
        if waiting.is_file() and waiting.stat().st_size:
            return False
        try:
            self._db = sqlite3.connect(f"{self.path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
            self._db.execute("SELECT count(*) FROM outcomes WHERE id < 2").fetchone()
        except (sqlite3.Error, ValueError):
            self._close_quietly()
            return False
        self.writable = False
        self._found.append(faults.unwritable(self.folder, "its folder cannot be written"))
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process at a time opens a ledger, or sets one aside."""
        with (self.store / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _set_aside(self, why: str) -> None:
        """Begin anew beside what is damaged; its log goes along, so that it is never read into another ledger."""
        self._close_quietly()
        aside = self.folder.with_name(f"{self.folder.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        kept = True
        try:
            self.folder.rename(aside)
        except OSError:
            kept = False
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._found.append(faults.rebuilt(aside if kept else None, why))

    def _suffer(self, problem: Exception, *, writing: bool) -> None:
        """Remark a fault, and mend what can be mended."""
        why = str(problem)
        fault = faults.fault_of(problem)
        if fault == "damaged":
            try:
                with self._alone():
                    if self._still_here():
                        self._set_aside(why)
                    else:  # another process has begun anew already
                        self._close_quietly()
                    self._connect()
            except (OSError, sqlite3.Error, ValueError) as worse:
                self._close_quietly()
                self._found.append(faults.unusable(self.store, str(worse)))
        elif fault == "full" and writing:
            self.writable = False
            self._found.append(faults.unwritable(self.folder, why))
        else:
            self._close_quietly()
            said = faults.locked(self.folder, PATIENCE) if fault == "locked" else faults.unusable(self.store, why)
            self._found.append(said)

    def _still_here(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self._inode
        except OSError:
            return False

    def _close_quietly(self) -> None:
        if self._db is not None:
            try:
                self._db.close()
            except sqlite3.Error:
                self._db = None
        self._db = None
