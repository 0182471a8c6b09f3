"""A progress bar over rows × worlds, on standard error, for terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from causalcircuit.runs import Progress as Heard


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Heard | None]:
    """A function that hears `done`, `total` and `what` and draws them; `None` where nobody looks."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("rows × worlds,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True, markup=False, highlight=False),
        transient=True,
    )
    task = bar.add_task("", total=None, visible=False)

    def heard(done: int, total: int, what: str) -> None:
        bar.update(task, completed=done, total=total, description=what, visible=True)

    with bar:
        yield heard
