"""`cq runs` and `cq verify`: what was run, and whether it comes out the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.tools import exits, streams
from causalcircuit.tools.progress import progress_bar


@dataclass(frozen=True, slots=True)
class Room:
    """What `cq runs clean` is to remove, as it was written."""

    older: str | None = None
    larger: str | None = None
    everything: bool = False
    other: bool = False
    damaged: bool = False
    sure: bool = False


def runs(machine: bool) -> int:
    """Print the runs on record, and return the exit code."""

    def work() -> int:
        from causalcircuit.report.past import runs_json, runs_text
        from causalcircuit.runs import list_runs

        found = list_runs()
        out = sys.stdout
        text = runs_text(found, width=streams.width(out), ascii_only=streams.ascii_only(out))
        streams.write(runs_json(found) + "\n" if machine else text)
        return exits.OK

    return _said(work, machine)


def show(id: str, machine: bool) -> int:
    """Print one run, and return the exit code."""

    def work() -> int:
        from causalcircuit.report.past import run_json, run_text
        from causalcircuit.runs import find_run

        found = find_run(id)
        out = sys.stdout
        text = run_text(found, width=streams.width(out), ascii_only=streams.ascii_only(out))
        streams.write(run_json(found) + "\n" if machine else text)
        return exits.OK

    return _said(work, machine)


def clean(wanted: Room) -> int:
    """Remove what is wanted, after asking, and return the exit code."""

    def work() -> int:
        from causalcircuit.runs import Wanted, bytes_of, clean_store, seconds_of, to_clean

        older = None if wanted.older is None else seconds_of(wanted.older)
        larger = None if wanted.larger is None else bytes_of(wanted.larger)
        if (wanted.older is not None and older is None) or (wanted.larger is not None and larger is None):
            raise click.UsageError("an age reads `30d`, `12h` or `2w`; a size `500MB` or `2GiB`")
        made = Wanted(older, larger, wanted.everything, wanted.other, wanted.damaged)
        if made == Wanted():
            raise click.UsageError("say what is to go: --older, --larger, --other, --damaged or --all")
        found = to_clean(made)
        if not found.anything:
            streams.say("there is nothing to remove")
            return exits.OK
        counts = [f"{n} {table}" for table, n in found.entries.items() if n]
        streams.say(f"to remove: {', '.join([*counts, *map(str, found.folders)])}; {_size(found.freed)}")
        if not wanted.sure and not click.confirm("remove it?", err=True):
            return exits.OK
        streams.say(f"removed: {_size(clean_store(made).freed)}")
        return exits.OK

    return _said(work, False)


def verify(what: str, program: Path | None, machine: bool, quiet: bool) -> int:
    """Compute a result again, print how it compares, and return the exit code."""

    def work() -> int:
        from causalcircuit.report.past import verified_json, verified_text
        from causalcircuit.runs import claimed, verify

        said = claimed(what, program)
        with progress_bar(wanted=not quiet) as heard:
            compared, remarks = verify(said, heard)
        out = sys.stdout
        text = verified_text(compared, width=streams.width(out), ascii_only=streams.ascii_only(out))
        streams.write(verified_json(compared) + "\n" if machine else text)
        streams.complain(remarks)
        return exits.OK if all(c.how != "differs" for c in compared) else exits.NOT_SUPPORTED

    return _said(work, machine)


def _said(work: Callable[[], int], machine: bool) -> int:
    """The exit code of some work, its diagnostics printed."""
    from causalcircuit.runs import AfterPass

    try:
        return work()
    except AfterPass as problem:
        found, code = problem.diagnostics, exits.AFTER
    except DiagnosticError as problem:
        found, code = problem.diagnostics, exits.BEFORE
    if machine:
        streams.show_json(None, found)
    else:
        streams.complain(found)
    return code


def _size(n: int) -> str:
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= least:
            return f"{n / least:.1f} {unit}"
    return f"{n} B"
