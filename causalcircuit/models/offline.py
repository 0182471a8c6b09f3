"""Loading without the network: whatever a model's files name, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants


@contextmanager
def offline() -> Iterator[None]:
    """Huggingface_hub as under `HF_HUB_OFFLINE=1`: a request raises before it leaves this machine.

    `local_files_only` says the same to single functions; this holds for all that they call.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
