"""Images that lie inside data, as files: each written once, under the hash of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from causalcircuit.query.private import user_cache, write_whole

_HEADS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp"}


def keep_image(content: bytes) -> str:
    """The path of a file with this content, in a folder that only its owner can enter.

    Raises:
        OSError: it cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    folder = image_cache() / digest[:2]
    path = folder / (digest + next((end for head, end in _HEADS.items() if content.startswith(head)), ".img"))
    if not path.is_file() or path.stat().st_size != len(content):
        write_whole(path, content)
    return str(path)


def image_cache() -> Path:
    """The folder of such files, which may be deleted at any time."""
    return user_cache() / "causalcircuit" / "images"
