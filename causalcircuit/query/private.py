"""The user's own folder for what can be made again."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path


@cache
def private_folder() -> Path | None:
    """A folder that nobody else can write; `None` where there is no safe place."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "causalcircuit"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = base.stat()
        if status.st_uid != os.getuid():
            return None
        if stat.S_IMODE(status.st_mode) != 0o700:
            base.chmod(0o700)
    except OSError:
        return None
    return base
