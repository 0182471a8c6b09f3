"""Where the store lies."""

from __future__ import annotations

import os
from pathlib import Path

from causalcircuit.query.private import private_folder

VARIABLE = "CAUSALCIRCUIT_STORE"
SCHEMA = 1
"""The version of the format: each has a folder of its own, so that an older program finds what it knows."""


def store_folder() -> Path | None:
    """The folder of the store: as the environment says, else in the user's cache; `None` where it says `off`."""
    said = os.environ.get(VARIABLE, "").strip()
    if said.lower() in ("off", "none", "0"):
        return None
    if said:
        return Path(said).expanduser().absolute()
    private = private_folder()
    return None if private is None else private / "store"


def own_folder(store: Path) -> Path:
    """The part of a store that is of this format."""
    return store / f"v{SCHEMA}"


def other_folders(store: Path) -> list[Path]:
    """The parts of other formats, and what was set aside as damaged."""
    own = own_folder(store)
    return [p for p in sorted(store.glob("v*")) if p.is_dir() and p != own]
