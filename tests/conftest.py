"""What holds for every test: one thread, no network, the same hypothesis examples in every run."""

import os

# Before anything imports torch or tokenizers: the machine's cores belong to all its users.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
