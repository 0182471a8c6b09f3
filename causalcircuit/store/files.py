"""Digests of files by their content, each read once as long as it stays the same."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from causalcircuit.store.entries import checksum, get, put
from causalcircuit.store.ledger import Ledger

_FRESH = 2 * 10**9
"""Nanoseconds within which a file may change again and keep its times."""

_BLOCK = 2**20
_SKIPPED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".onnx", ".gguf", ".md", ".png", ".lock")


@dataclass(slots=True)
class Files:
    """Digests of files; with a ledger they are known across runs, by path, size, times and inode."""

    ledger: Ledger | None = None
    _known: dict[str, tuple[tuple[int, ...], bytes]] = field(default_factory=dict)

    def digest(self, path: Path | str) -> bytes | None:
        """The SHA-256 of a file's content; `None` where there is no plain file.

        Raises:
            OSError: it cannot be read.
        """
        name = os.fspath(path)
        try:
            status = os.stat(name)
        except (OSError, ValueError):  # a name that no file can have
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
        if name in self._known and self._known[name][0] == stamp:
            return self._known[name][1]
        # A file written a moment ago may be written again without a change of its times.
        settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _FRESH
        key = checksum(os.path.abspath(name).encode("utf-8", "surrogateescape"), repr(stamp).encode())
        found = get(self.ledger, "files", key) if self.ledger is not None and settled else None
        if found is None:
            found = _read(name)
            if self.ledger is not None and settled:
                put(self.ledger, "files", key, found)
        if settled:
            self._known[name] = stamp, found
        return found

    def folder(self, folder: Path) -> str:
        """A digest of everything in a model's folder that loading may read: weights, settings, tokenizer, code.

        Raises:
            OSError: something cannot be read.
        """
        said = hashlib.sha256()
        inside = [p for p in folder.iterdir() if not p.name.startswith(".") and p.suffix not in _SKIPPED]
        below = [p for p in folder.rglob("*") if p.parent != folder and p.suffix in (".py", ".jinja")]
        for path in sorted([*inside, *below]):
            found = self.digest(path)
            if found is not None:
                said.update(checksum(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"), found))
        return said.hexdigest()


def _read(name: str) -> bytes:
    said = hashlib.sha256()
    with open(name, "rb") as file:
        while block := file.read(_BLOCK):
            said.update(block)
    return said.digest()
