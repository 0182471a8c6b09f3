"""Entries of the ledger that carry their own checksum: what does not hold is dropped, never believed."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from typing import Any, Literal

from causalcircuit.store.ledger import Ledger

Table = Literal["totals", "plans", "files", "runs"]


def checksum(*parts: bytes) -> bytes:
    """Of an entry: each part with its length, so that no two entries read alike."""
    said = hashlib.blake2b(digest_size=16)
    for part in parts:
        said.update(len(part).to_bytes(8, "little"))
        said.update(part)
    return said.digest()


def holds(found: Any, *parts: Any) -> bool:
    """Whether a checksum is that of its parts, and all of them are bytes."""
    return isinstance(found, bytes) and all(isinstance(p, bytes) for p in parts) and checksum(*parts) == found


def get(ledger: Ledger, table: Table, key: bytes) -> bytes | None:
    """What is kept under a key; `None` where there is nothing, or nothing whole."""
    query = f"SELECT payload, sum FROM {table} WHERE key = ?"  # noqa: S608 - one of four names
    found = ledger.ask(lambda db: db.execute(query, (key,)).fetchone(), None)
    if found is None:
        return None
    payload, said = found
    if holds(said, table.encode(), key, payload):
        return bytes(payload)
    ledger.dropped += 1
    delete(ledger, table, key)
    return None


def put(ledger: Ledger, table: Table, key: bytes, payload: bytes) -> bool:
    """Keep an entry by itself; whether that went well."""
    return ledger.write(lambda db: put_in(db, table, key, payload))


def put_in(db: sqlite3.Connection, table: Table, key: bytes, payload: bytes) -> None:
    """Keep an entry, as part of a transaction."""
    db.execute(
        f"INSERT OR REPLACE INTO {table}(key, payload, sum, at) VALUES (?, ?, ?, ?)",  # noqa: S608
        (key, payload, checksum(table.encode(), key, payload), time.time()),
    )


def delete(ledger: Ledger, table: Table, key: bytes) -> bool:
    """Remove an entry."""
    return ledger.write(lambda db: db.execute(f"DELETE FROM {table} WHERE key = ?", (key,)))  # noqa: S608
