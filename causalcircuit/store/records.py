"""Runs on record: what was asked, when, and what it came to."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from causalcircuit.query.past import PastRun
from causalcircuit.store.entries import get, holds, put
from causalcircuit.store.ledger import Ledger


def begin(name: str, folder: Path, text: str, *, tests_only: bool = False) -> PastRun:
    """A record of a run that starts now."""
    return PastRun(secrets.token_hex(4), time.time(), name, str(folder), text, tests_only)


def ended(record: PastRun, **said: Any) -> PastRun:
    """The record of a run that ends now."""
    return replace(record, seconds=time.time() - record.at, **said)


def write_record(ledger: Ledger, record: PastRun) -> bool:
    """Keep a record, in the place of an earlier one of the same run."""
    return put(ledger, "runs", record.id.encode(), json.dumps(asdict(record)).encode())


def read_record(ledger: Ledger, id: str) -> PastRun | None:
    """The run of that id, or the only one whose id starts so."""
    found = get(ledger, "runs", id.encode())
    if found is not None:
        return _made(found)
    near = [r for r in read_records(ledger) if r.id.startswith(id)] if id else []
    return near[0] if len(near) == 1 else None


def read_records(ledger: Ledger, most: int = -1) -> list[PastRun]:
    """The last runs, all where `most` is negative; the newest first."""

    def work(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
        return db.execute("SELECT key, payload, sum FROM runs ORDER BY at DESC LIMIT ?", (most,)).fetchall()

    return sorted(_whole(ledger.ask(work, [])), key=lambda r: -r.at)


def _whole(rows: list[tuple[Any, ...]]) -> Iterator[PastRun]:
    for key, payload, said in rows:
        record = _made(payload) if holds(said, b"runs", key, payload) else None
        if record is not None:
            yield record


def _made(payload: bytes) -> PastRun | None:
    try:
        return PastRun(**json.loads(payload))
    except (ValueError, TypeError):
        return None
