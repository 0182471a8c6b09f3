"""A progress bar over rows × worlds, or what else is counted, on standard error, for terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from causalcircuit.query.counted import WORLDS, steps_of

if TYPE_CHECKING:
    from causalcircuit.runs import Progress as Heard


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life while something cannot be counted."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, highlight=False).status(what):
        yield


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Heard | None]:
    """A function that hears `done`, `total` and `what` and draws them; `None` where nobody looks."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, markup=False, highlight=False)
    done_so_far = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[steps]}, left", markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = done_so_far.add_task("", total=None, steps=WORLDS)

    def heard(done: int, total: int, what: str) -> None:
        done_so_far.update(task, completed=done, total=total, description=what, steps=steps_of(what))
        loading.stop()
        done_so_far.start()

    # Loading takes a few seconds in which nothing can be counted.
    with console.status("checking, loading") as loading:
        try:
            yield heard
        finally:
            done_so_far.stop()
