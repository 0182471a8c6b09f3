"""A family that was changed after it was run: the runs on record know what it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from causalcircuit.diagnostics import Diagnostic, warning
from causalcircuit.query import Program, Result, Tested
from causalcircuit.query.past import PastRun
from causalcircuit.runs.manifest import folder_of
from causalcircuit.store import Ledger, read_records

_RECENT = 100
_SHOWN = 4


def with_reruns(result: Result, program: Program, ledger: Ledger | None) -> Result:
    """A result that says which of its families were tested on the same rows before, and were something else then.

    Runs of programs in the same folder are looked at, the last 100.
    """
    if ledger is None or not any(_counts(t) for t in result.hypotheses):
        return result
    name = "" if program.source is None else program.source.name
    found = changed_since(result, str(folder_of(name)), read_records(ledger, _RECENT))
    return replace(result, diagnostics=(*result.diagnostics, *found)) if found else result


def changed_since(result: Result, folder: str, runs: Iterable[PastRun]) -> list[Diagnostic]:
    """CQ940 for each family whose claims, correction or alpha differ from those of a run on the same rows."""
    now = result.to_json()
    waiting = {(t.family, t.data): t for t in result.hypotheses if _counts(t)}
    out = []
    for run in runs:
        if run.folder != folder or run.state != "done":
            continue
        for (family, data), tested in list(waiting.items()):
            before = _told(run.result, family, data)
            if not before or _rows(run.result, data) != _rows(now, data) or _rows(now, data) is None:
                continue
            differ = _differences(before, _told(now, family, data))
            if differ:
                out.append(_changed(tested, run, differ))
                del waiting[family, data]
    return out


def _counts(t: Tested) -> bool:
    """Whether a claim is of a declared family; one under a lock is what was frozen."""
    return t.named and t.family.isidentifier() and t.standing != "confirmatory"


def _told(said: Mapping[str, Any], family: str, data: str) -> dict[str, str]:
    """What a family was, by what each part of it is called."""
    out: dict[str, str] = {}
    for h in said.get("hypotheses") or ():
        if h.get("family") == family and h.get("data") == data:
            out["correction"], out["alpha"] = str(h.get("correction")), f"{h.get('alpha')}"
            out[f"`{h.get('name')}`"] = f"{h.get('estimand')} {h.get('region')}"
    return out


def _rows(said: Mapping[str, Any], data: str) -> str | None:
    found = (said.get("manifest") or {}).get("data") or {}
    digest = (found.get(data) or {}).get("sha256")
    return None if digest is None else str(digest)


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    out = []
    for what in dict.fromkeys([*before, *now]):
        if what not in now:
            out.append(f"{what} was in it")
        elif what not in before:
            out.append(f"{what} was not in it")
        elif before[what] != now[what]:
            out.append(f"{what} was {_short(before[what])}")
    return out


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"…{text[-57:]}"


def _changed(tested: Tested, run: PastRun, differ: list[str]) -> Diagnostic:
    when = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M")
    more = f", and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
    what = "; ".join(differ[:_SHOWN]) + more
    message = f"`{tested.family}` was changed after it was tested on these rows (run {run.id}, {when}): {what}"
    ways = (
        "a family that was chosen by its verdicts keeps no error rate: test it on new rows",
        f'pin one before it is tested: `freeze {tested.family} to "./{tested.family}.lock"`',
    )
    return warning("CQ940", message, tested.span, help=ways)
