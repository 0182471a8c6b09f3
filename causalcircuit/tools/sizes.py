"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from causalcircuit.diagnostics import did_you_mean, error

_UNITS = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
}  # fmt: skip
_SHOWN = ("MB", "GB", "TB", "MiB", "GiB", "TiB")
_MOST = 10**18


def bytes_of(text: str) -> int:
    """How many bytes a size means: `4GB`, `512 MiB`, `1.5g`, or a plain number of bytes.

    >>> bytes_of("4GB"), bytes_of("1.5 GiB"), bytes_of("2000000")
    (4000000000, 1610612736, 2000000)

    Raises:
        DiagnosticError: CQ760.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)\s*", text, re.ASCII)
    unit = "" if found is None else found.group(2).lower()
    if found is None or (unit and unit not in _UNITS):
        near = "" if found is None else did_you_mean(found.group(2), _SHOWN)
        raise _nonsense(text, "is no amount of memory", near)
    count = float(found.group(1)) * _UNITS.get(unit, 1)
    if not 1 <= count <= _MOST:
        raise _nonsense(text, "is no memory that a machine has", "")
    return int(count)


def _nonsense(text: str, what: str, near: str) -> Exception:
    return error("CQ760", f"`{text[:40]}` {what}", help=(near, "write `--max-memory 4GB`, `512MB` or `1.5GiB`"))
