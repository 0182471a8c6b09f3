"""Rows by keyed digests: a lock tells whether a row was there before without telling anything of it.

A plain digest of a short text is found by trying texts. These are BLAKE2b under a random key of 32 bytes that lies in a
file of its own: without it a digest is a random number, two locks cannot be compared, and not even the order of rows is
kept. What remains to be seen in a lock is how many different rows and clusters there were.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import causalcircuit.rows as rows
from causalcircuit.query import Column, DataRef, Expr, models_of, walk
from causalcircuit.store import Files

KEY_BYTES = 32
_DIGEST_BYTES = 16
_TEXT = {"prompt", "chat"}
_FEEDS = {"prompt": _TEXT, "text": _TEXT, "image": {"image"}, "audio": {"audio"}, "prefix": {"prefix"}}
"""Columns that feed models unless the data name others, by the channels that take their place."""
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Digests:
    """Rows and clusters of data, in the order of the data."""

    rows: list[str]
    clusters: list[str]


def digests(ref: DataRef, names: Sequence[str], key: bytes, files: Files) -> Digests:
    """The digest of each row by some of its columns, images by content; of clusters by their labels.

    Raises:
        DiagnosticError: what is wrong with the data.
    """
    data = rows.load(ref)
    base = os.fspath(data.resolve(""))
    columns = {name: data.columns.get(name, [None] * data.n) for name in names}
    plain = {name: [_plain(v, base, files) for v in values] for name, values in columns.items()}
    found = [_keyed({name: values[i] for name, values in plain.items()}, key, b"row") for i in range(data.n)]
    labels = rows.clusters(data)
    clusters = [] if labels is None else [_keyed(_plain(v, base, files), key, b"cluster") for v in labels]
    return Digests(found, clusters)


def relevant(ref: DataRef, exprs: list[Expr]) -> list[str]:
    """The columns by which rows are told apart: what feeds models, and what the estimands read.

    Others do not make a row new: no outcome depends on them. Without a model every column counts.
    """
    known = set(rows.peek(ref).columns)
    if not any(models_of(e) for e in exprs):
        return sorted(known)
    declared = [x.name for _, e in ref.feeds for x in walk(e) if isinstance(x, Column)]
    fed = {channel for channel, _ in ref.feeds}
    usual = [name for name, channels in _FEEDS.items() if not channels & fed]
    read = [x.name for e in exprs for x in walk(e, on=ref) if isinstance(x, Column)]
    return sorted({*declared, *usual, *read} & known) or sorted(known)


def key_id(key: bytes) -> str:
    """What tells a key from others, and nothing else of it."""
    return hashlib.blake2b(b"", digest_size=8, key=key, person=b"cq lock key").hexdigest()


def _keyed(content: Any, key: bytes, person: bytes) -> str:
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES, key=key, person=b"cq lock " + person).hexdigest()


def _plain(value: Any, base: str, files: Files) -> Any:
    """A value as JSON has it: 1 and 1.0 are one, and a path is the content of its file."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        whole = float(value)
        return int(whole) if whole.is_integer() and abs(whole) < 2**53 else repr(value)
    if isinstance(value, list | tuple):
        return [_plain(v, base, files) for v in value]
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and "\n" not in value:
        try:
            found = files.digest(os.path.join(base, value))
        except OSError:  # who loads it will tell
            return value
        return value if found is None else {"file": found.hex()}
    return value
