"""Runs on record: what was asked, when, and what it came to."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from causalcircuit.store.entries import get, holds, put
from causalcircuit.store.ledger import Ledger

State = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Record:
    """One run of a program.

    Attributes:
        id: what `cq runs` calls it. at: when it began, seconds since 1970. seconds: how long it took.
        name: of the program, as it was given. folder, text: where its relative paths start, and what it said.
        rows, worlds: of its tables. computed, stored: outcomes that were calculated, and that were found.
        state: `running` of a run that never ended. verdicts: how many claims have each.
        result: what the run printed as JSON, its manifest included.
    """

    id: str
    at: float
    name: str
    folder: str
    text: str
    tests_only: bool = False
    seconds: float = 0.0
    rows: int = 0
    worlds: int = 0
    computed: int = 0
    stored: int = 0
    state: State = "running"
    verdicts: dict[str, int] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


def begin(name: str, folder: Path, text: str, *, tests_only: bool = False) -> Record:
    """A record of a run that starts now."""
    return Record(secrets.token_hex(4), time.time(), name, str(folder), text, tests_only)


def ended(record: Record, **said: Any) -> Record:
    """The record of a run that ends now."""
    return replace(record, seconds=time.time() - record.at, **said)


def write_record(ledger: Ledger, record: Record) -> bool:
    """Keep a record, in the place of an earlier one of the same run."""
    return put(ledger, "runs", record.id.encode(), json.dumps(asdict(record)).encode())


def read_record(ledger: Ledger, id: str) -> Record | None:
    """The run of that id, or the only one whose id starts so."""
    found = get(ledger, "runs", id.encode())
    if found is not None:
        return _made(found)
    near = [r for r in read_records(ledger) if r.id.startswith(id)] if id else []
    return near[0] if len(near) == 1 else None


def read_records(ledger: Ledger) -> list[Record]:
    """All runs, the newest first."""

    def work(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
        return db.execute("SELECT key, payload, sum FROM runs ORDER BY at DESC").fetchall()

    return sorted(_whole(ledger.ask(work, [])), key=lambda r: -r.at)


def _whole(rows: list[tuple[Any, ...]]) -> Iterator[Record]:
    for key, payload, said in rows:
        record = _made(payload) if holds(said, b"runs", key, payload) else None
        if record is not None:
            yield record


def _made(payload: bytes) -> Record | None:
    try:
        return Record(**json.loads(payload))
    except (ValueError, TypeError):
        return None
