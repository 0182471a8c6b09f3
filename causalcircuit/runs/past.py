"""Runs on record: listed, shown, cleared away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.query.past import PastRun
from causalcircuit.store import Cleaned, Ledger, Wanted, clean, measure, read_record, read_records, store_folder

_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "B": 1}


def list_runs() -> list[PastRun]:
    """All runs on record, the newest first.

    Raises:
        DiagnosticError: CQ740, there is no store.
    """
    with _opened() as ledger:
        return read_records(ledger)


def find_run(id: str) -> PastRun:
    """The run of that id, or the only one whose id starts so.

    Raises:
        DiagnosticError: CQ740 there is no store, CQ745 no such run.
    """
    with _opened() as ledger:
        found = read_record(ledger, id)
        known = [r.id for r in read_records(ledger)] if found is None else []
    if found is None:
        near = [k for k in known if k.startswith(id)]
        several = f"several runs start so: {', '.join(near[:4])}" if id and near else ""
        help = (several, "`cq runs` lists them" if known else "no run is on record yet: `cq run` puts one there")
        raise error("CQ745", f"there is no run `{id}`", help=help)
    return found


def to_clean(wanted: Wanted) -> Cleaned:
    """What cleaning the store would remove.

    Raises:
        DiagnosticError: CQ740, there is no store.
    """
    with _opened() as ledger:
        return measure(ledger, wanted)


def clean_store(wanted: Wanted) -> Cleaned:
    """Clean the store; what went.

    Raises:
        DiagnosticError: CQ740, there is no store, or it cannot be written.
    """
    with _opened() as ledger:
        found = clean(ledger, wanted)
        DiagnosticError.raise_if(_as_errors(ledger))
        return found


def seconds_of(text: str) -> float | None:
    """`30d`, `12h`, `2w`, `90m` in seconds; `None` of anything else.

    >>> seconds_of("2d"), seconds_of("soon")
    (172800.0, None)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text.strip().lower())
    return None if found is None else float(found[1]) * _SECONDS[found[2]]


def bytes_of(text: str) -> int | None:
    """`500MB`, `2 GiB` in bytes; `None` of anything else.

    >>> bytes_of("1.5kB"), bytes_of("much")
    (1500, None)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?I?B)", text.strip().upper())
    return None if found is None or found[2] not in _BYTES else int(float(found[1]) * _BYTES[found[2]])


@contextmanager
def _opened() -> Iterator[Ledger]:
    folder = store_folder()
    if folder is None:
        raise error(
            "CQ740",
            "there is no store of outcomes: `CAUSALCIRCUIT_STORE` turns it off, or there is no safe folder for it",
            help="`CAUSALCIRCUIT_STORE` names a folder",
        )
    ledger = Ledger(folder)
    try:
        if not ledger.usable:
            raise DiagnosticError(*_as_errors(ledger))
        yield ledger
    finally:
        ledger.close()


def _as_errors(ledger: Ledger) -> list[Diagnostic]:
    return [replace(d, severity="error") for d in ledger.remarks if d.code in ("CQ740", "CQ741", "CQ744")]
