"""What holds for every test: one thread, no network, nothing kept from earlier runs, the same examples every time."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Before anything imports torch or tokenizers: the machine's cores belong to all its users.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Kept proofs of models would hide what a change of the contract breaks.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-of-tests-")
# Outcomes kept by one test would be found by another, which then counts no passes; tests/store turns it on.
os.environ["CAUSALCIRCUIT_STORE"] = "off"

from hypothesis import settings

atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Families and fixtures are no tests: imported as such a second time, a family would be registered twice."""
    inside = {"families", "fixtures"} & set(collection_path.parts)
    plain = collection_path.suffix == ".py" and not collection_path.name.startswith(("test_", "conftest"))
    return True if inside and plain else None
