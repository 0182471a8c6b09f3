"""Sites of models whose config says too little of them: kept when such a model was loaded, by the config's hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from causalcircuit.query.private import private_folder, write_whole
from causalcircuit.query.sites import SiteTable
from causalcircuit.query.towers import Tower

_BY_ATTENTION = ("head.pattern", "cross.head.pattern")


def remember_table(config: Path, table: SiteTable) -> None:
    """Keep what loading found, less what depends on the way of attention. A full disk keeps nothing, no more."""
    path = _path(config)
    if path is None:
        return
    towers = tuple(replace(t, missing=tuple(m for m in t.missing if m[0] not in _BY_ATTENTION)) for t in table.towers)
    try:
        write_whole(path, json.dumps(asdict(replace(table, towers=towers, dictionaries=(), modules=None))).encode())
    except OSError:
        return


def recall_table(config: Path) -> SiteTable | None:
    """The table of the model with this very `config.json`, where one was kept and can be read."""
    path = _path(config)
    if path is None:
        return None
    try:
        said = _tuples(json.loads(path.read_text(encoding="utf-8")))
        return SiteTable(**{**said, "towers": tuple(Tower(**t) for t in said["towers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _tuples(x: Any) -> Any:
    """JSON's lists as tuples, so that tables compare and hash."""
    if isinstance(x, list):
        return tuple(map(_tuples, x))
    return {k: _tuples(v) for k, v in x.items()} if isinstance(x, dict) else x


def _path(config: Path) -> Path | None:
    folder = private_folder()
    try:
        return None if folder is None else folder / "tables" / f"{hashlib.sha256(config.read_bytes()).hexdigest()}.json"
    except OSError:
        return None
