"""Keeping memory that passes free: on Linux, the C library otherwise hands it back and faults it in again each time.

The temporaries of a pass are tens of megabytes. glibc returns blocks of that size to the kernel when they are freed,
and the kernel zeroes their pages when they are next asked for, which doubles the time of everything between two matrix
products. While a plan runs on a CPU, such blocks stay on the heap; at its end they are given back, but for a little:
at a prompt one small question follows another, and faulting its pages in anew would take a sixth of its time.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_LARGEST = 32 << 20  # what glibc takes at most for a threshold of mmap
_KEPT = 1 << 30
_DEFAULT = 128 << 10
_LEFT = 64 << 20
"""Free bytes that stay with the process between two plans."""


class _Heap(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


@contextmanager
def kept_heap(wanted: bool) -> Iterator[None]:
    """Inside the context freed memory stays with the process, where the C library can be told so."""
    library = _library() if wanted else None
    if library is None:
        yield
        return
    library.mallopt(_MMAP, _LARGEST)
    library.mallopt(_TRIM, _KEPT)
    try:
        yield
    finally:
        library.mallopt(_MMAP, _DEFAULT)
        library.mallopt(_TRIM, _LEFT)
        if _free(library) > _LEFT:
            library.malloc_trim(0)


def _free(library: ctypes.CDLL) -> float:
    """Bytes of the heap that nothing uses; unknown, so taken for many, before glibc 2.33."""
    if not hasattr(library, "mallinfo2"):
        return float("inf")
    library.mallinfo2.restype = _Heap
    return float(library.mallinfo2().fordblks)


@cache
def _library() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    found = ctypes.CDLL(None)
    return found if hasattr(found, "mallopt") and hasattr(found, "malloc_trim") else None
