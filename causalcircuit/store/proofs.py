"""Proofs of models: JSON in the user's private folder, one file a model, dtype and way of attention."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from causalcircuit.query.private import private_folder, write_whole


def recall(key: str) -> dict[str, Any] | None:
    """What was kept under a hash; `None` where nothing was, or nothing that can be read."""
    path = _path(key)
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def remember(key: str, proof: Mapping[str, Any]) -> None:
    """Keep it: written aside and renamed, so that a reader never sees half. A full disk keeps nothing, no more."""
    path = _path(key)
    if path is None:
        return
    try:
        write_whole(path, json.dumps(proof).encode())
    except OSError:
        return


def _path(key: str) -> Path | None:
    folder = private_folder()
    return None if folder is None or not key else folder / "proofs" / f"{key}.json"
