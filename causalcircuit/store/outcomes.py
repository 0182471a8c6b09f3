"""Outcomes of rows under the key of what was measured; totals of references; what a whole plan had to say."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.store.arrays import pack, pack_many, unpack, unpack_many
from causalcircuit.store.entries import checksum, get, holds, put_in
from causalcircuit.store.ledger import Ledger

DIGEST = 16
"""Bytes of the digest of a row."""

_TABLE = b"outcomes"


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of one column of a table.

    Attributes:
        values: [rows] or [rows, …]; anything where `mask` is false.
        mask: [rows] which rows are known.
    """

    values: NDArray[Any]
    mask: NDArray[np.bool_]


@dataclass(slots=True)
class Outcomes:
    """The outcomes of a ledger.

    A block holds some rows of one column: those of a chunk while a run is under way, all of a table's afterwards.
    """

    ledger: Ledger
    run: bytes = b""
    _blocks: dict[bytes, set[bytes]] = field(default_factory=dict)
    _places: dict[bytes, dict[bytes, int]] = field(default_factory=dict)

    def recall(self, key: bytes, rows: bytes) -> Known | None:
        """What is known of a column on rows, whose digests stand one after the other; each is there once."""
        query = "SELECT mark, rows, payload, sum FROM outcomes WHERE key = ? ORDER BY id"
        none: list[tuple[Any, ...]] = []
        found = self.ledger.ask(lambda db: db.execute(query, (key,)).fetchall(), none)
        whole: Known | None = None
        for mark, own, payload, said in found:
            values = None
            if holds(said, _TABLE, key, own, payload):
                values = unpack(payload, len(own) // DIGEST)
            if values is None:
                self._drop(key, mark)
            elif own == rows:
                self._blocks.setdefault(key, set()).add(mark)
                whole = Known(values, np.ones(len(values), dtype=bool))
            else:
                whole = self._with(whole, key, mark, rows, own, values)
        return whole

    def keep(self, chunk: Mapping[bytes, tuple[bytes, NDArray[Any]]], totals: Mapping[bytes, Total]) -> bool:
        """Keep what a chunk gave, all at once: by key the rows and their values; totals by key."""

        def work(db: sqlite3.Connection) -> None:
            for key, mark in self._insert(db, chunk):
                self._blocks.setdefault(key, set()).add(mark)
            for key, (done, arrays) in totals.items():
                put_in(db, "totals", key, pack_many(arrays, done))

        return self.ledger.write(work)

    def whole(self, table: Mapping[bytes, tuple[bytes, NDArray[Any]]], spent: list[bytes]) -> bool:
        """Keep finished columns as one block each, in the place of their chunks; totals in `spent` go."""
        old = {key: self._blocks.pop(key, set()) for key in table}  # later tables leave these be
        marks = {rows: _mark(rows) for rows in {rows for rows, _ in table.values()}}
        new = {key: found for key, found in table.items() if old[key] != {marks[found[0]]}}
        gone = [(key, mark) for key in new for mark in old[key]]
        if not new and not spent:  # as of a table of one chunk
            return True

        def work(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM outcomes WHERE key = ? AND mark = ?", gone)
            self._insert(db, new)
            db.executemany("DELETE FROM totals WHERE key = ?", [(key,) for key in spent])

        return self.ledger.write(work)

    def total(self, key: bytes) -> Total | None:
        """The sum of a reference over its first rows."""
        found = get(self.ledger, "totals", key)
        return None if found is None else unpack_many(found)

    def _insert(
        self, db: sqlite3.Connection, blocks: Mapping[bytes, tuple[bytes, NDArray[Any]]]
    ) -> list[tuple[bytes, bytes]]:
        """Keep blocks by their key; the key and the mark of each."""
        now = time.time()
        marks = {rows: _mark(rows) for rows in {rows for rows, _ in blocks.values()}}
        lines = []
        for key, (rows, values) in blocks.items():
            payload = pack(values)
            lines.append((key, marks[rows], rows, payload, checksum(_TABLE, key, rows, payload), self.run, now))
        db.executemany(
            "INSERT OR REPLACE INTO outcomes(key, mark, rows, payload, sum, run, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            lines,
        )
        return [(key, marks[rows]) for key, (rows, _) in blocks.items()]

    def _with(
        self, whole: Known | None, key: bytes, mark: bytes, rows: bytes, own: bytes, values: NDArray[Any]
    ) -> Known | None:
        """What is known with the rows of one more block."""
        if rows not in self._places:
            self._places[rows] = {rows[i : i + DIGEST]: i // DIGEST for i in range(0, len(rows), DIGEST)}
        places = self._places[rows]
        at = [places.get(own[i : i + DIGEST], -1) for i in range(0, len(own), DIGEST)]
        here = [i for i, place in enumerate(at) if place >= 0]
        if not here:
            return whole
        if len(here) == len(at):  # of other tables' blocks some rows would be lost
            self._blocks.setdefault(key, set()).add(mark)
        if whole is None or whole.values.shape[1:] != values.shape[1:] or whole.values.dtype != values.dtype:
            whole = Known(np.zeros((len(places), *values.shape[1:]), values.dtype), np.zeros(len(places), dtype=bool))
        chosen = [at[i] for i in here]
        whole.values[chosen] = values[here]
        whole.mask[chosen] = True
        return whole

    def _drop(self, key: bytes, mark: Any) -> None:
        self.ledger.dropped += 1
        self.ledger.write(lambda db: db.execute("DELETE FROM outcomes WHERE key = ? AND mark = ?", (key, mark)))


Total = tuple[int, Mapping[str, NDArray[Any]]]
"""How many rows it is of, and its arrays."""


def _mark(rows: bytes) -> bytes:
    return checksum(rows)[:8]
