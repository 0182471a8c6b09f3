"""What an answer counts for, and the locks of a run."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from causalcircuit.query import Tested
from causalcircuit.query.locks import Locked
from causalcircuit.report.blocks import Answer
from causalcircuit.report.figures import count
from causalcircuit.report.safe import words


def standing(x: Answer) -> str:
    """In a headline: `confirmatory, under march.lock`, `held out`, `exploratory`."""
    return f"{x.standing}, under {x.lock}" if isinstance(x, Tested) and x.lock else x.standing


def locks(found: Iterable[Locked]) -> list[tuple[str, Text]]:
    """A line for each lock that was written, or held a test, with the digest by which it is known."""
    out = []
    for lock in found:
        if lock.written:
            said = f"written: {lock.family}, {count(lock.rows, 'row')} seen"
        elif lock.tested:
            said = f"{lock.family}: nothing that it pins has changed, and all {count(lock.rows, 'row')} are new"
        else:
            said = f"is there already, and pins the same: {lock.family}, {count(lock.rows, 'row')} seen"
        out.append(("lock", words(f"{lock.file} {said} (sha256 {lock.digest})")))
    return out
