"""The user's own folder for what can be made again, and where others keep theirs."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def user_cache() -> Path:
    """The folder that holds every program's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def hugging_face() -> Path:
    """Where the libraries of Hugging Face keep their files."""
    return Path(os.environ.get("HF_HOME") or user_cache() / "huggingface")


@cache
def private_folder() -> Path | None:
    """A folder that nobody else can write; `None` where there is no safe place."""
    return _made_private(user_cache() / "causalcircuit")


def _made_private(base: Path) -> Path | None:
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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that a reader never sees half; its folder is made where it is missing.

    Raises:
        OSError: it cannot be written; nothing is left behind then.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, written = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(written).replace(path)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
