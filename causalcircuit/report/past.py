"""Runs on record as text or JSON: a table of them, one in full, and how a result compares with itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from causalcircuit.query.past import Compared, PastRun
from causalcircuit.report.figures import count
from causalcircuit.report.paper import paper, written
from causalcircuit.report.safe import words

_AGREEMENT = {"equal": ("equal", "green"), "rounding": ("equal to rounding", "green"), "differs": ("differs", "red")}


def runs_text(runs: Sequence[PastRun], *, width: int = 100, ascii_only: bool = False) -> str:
    """A line a run, the newest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name, most in (("run", 8), ("when", 11), ("file", max(12, width - 68))):
        table.add_column(name, no_wrap=True, max_width=most)
    for name in ("rows × worlds", "stored", "computed", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome")
    for run in runs:
        table.add_row(
            words(run.id),
            words(_when(run.at, short=True)),
            words(Path(run.name).name or "(Python)"),
            words(f"{_short_number(run.rows)} × {_short_number(run.worlds)}"),
            words(_short_number(run.stored)),
            words(_short_number(run.computed)),
            words(f"{run.seconds:.1f}" if run.seconds < 100 else f"{run.seconds:.0f}"),
            words(_outcome(run)),
        )
    return _printed([table] if runs else [words("no run is on record")], width, ascii_only)


def run_text(run: PastRun, *, width: int = 100, ascii_only: bool = False) -> str:
    """All that is on record of a run."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(run):
        table.add_row(words(name, "dim"), words(value))
    return _printed([table], width, ascii_only)


def runs_json(runs: Sequence[PastRun]) -> str:
    """The same for machines: `schema` 1; without results."""
    return json.dumps({"schema": 1, "runs": [_short(r) for r in runs]}, indent=2)


def run_json(run: PastRun) -> str:
    """One run for machines, with its result."""
    return json.dumps({"schema": 1, **asdict(run)}, indent=2)


def verified_text(compared: Sequence[Compared], *, width: int = 100, ascii_only: bool = False) -> str:
    """A line an answer."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("answer", overflow="fold")
    table.add_column("then", justify="right", no_wrap=True)
    table.add_column("now", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for c in compared:
        said, colour = _AGREEMENT[c.how]
        if c.how == "rounding":
            said += f" ({c.distance:.1e})"
        elif c.how == "differs" and c.what:
            said += f": {c.what}"
        table.add_row(words(c.name), words(_number(c.then)), words(_number(c.now)), words(said, colour))
    return _printed([table] if compared else [words("the result holds no answer")], width, ascii_only)


def verified_json(compared: Sequence[Compared]) -> str:
    """The same for machines: `schema` 1."""
    answers = [{**asdict(c), "distance": None if c.distance == float("inf") else c.distance} for c in compared]
    return json.dumps(
        {"schema": 1, "verified": all(c.how != "differs" for c in compared), "answers": answers}, indent=2
    )


def _facts(run: PastRun) -> Iterator[tuple[str, str]]:
    yield "run", run.id
    yield "when", f"{_when(run.at)}, {run.seconds:.1f} s"
    yield "file", run.name or "(Python)"
    yield "outcome", _outcome(run)
    yield "outcomes", f"{run.rows} rows × {run.worlds} worlds: {run.stored:,} stored, {run.computed:,} computed"
    manifest = run.result.get("manifest", {})
    for name, model in manifest.get("models", {}).items():
        digest = (model.get("sha256") or "no digest")[:16]
        yield f"model {name}", f"{model.get('source')}, {model.get('dtype')}, {model.get('device')}, {digest}"
    for name, data in manifest.get("data", {}).items():
        yield (
            f"data {name}",
            f"{data.get('source')}, {count(data.get('rows', 0), 'row')}, {str(data.get('sha256'))[:16]}",
        )
    if manifest:
        yield "versions", ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items())
        yield "plan", f"{manifest.get('plan')}, seeds {manifest.get('seeds') or 'none'}"
        for machine in manifest.get("machine", []):
            yield "machine", ", ".join(f"{k} {v}" for k, v in machine.items())
    for answer in (*run.result.get("estimates", []), *run.result.get("hypotheses", [])):
        interval = answer.get("interval")
        ends = "" if not interval else f" [{_number(interval[0])}, {_number(interval[1])}]"
        verdict = f" {answer['verdict']}" if "verdict" in answer else ""
        at = "".join(f" {k} = {v}" for k, v in answer.get("at", {}).items())
        yield str(answer.get("name")) + at, f"{_number(answer.get('value'))}{ends} {answer.get('unit', '')}{verdict}"


def _outcome(run: PastRun) -> str:
    if run.state == "running":
        return "not finished"
    verdicts = ", ".join(f"{n} {v}" for v, n in sorted(run.verdicts.items()))
    return verdicts or run.state if run.state == "done" else ", ".join(filter(None, (run.state, verdicts)))


def _short(run: PastRun) -> dict[str, Any]:
    return {k: v for k, v in asdict(run).items() if k not in ("text", "result")}


def _when(at: float, *, short: bool = False) -> str:
    moment = datetime.fromtimestamp(at).astimezone()
    this_year = moment.year == datetime.now().astimezone().year
    return moment.strftime(("%m-%d %H:%M" if this_year else "%Y-%m-%d") if short else "%Y-%m-%d %H:%M:%S")


def _short_number(n: int) -> str:
    """`4,321`, `43k`, `4.3M`: at most five cells.

    >>> [_short_number(n) for n in (4321, 43210, 4321000, 43210000)]
    ['4,321', '43k', '4.3M', '43M']
    """
    if n < 10_000:
        return f"{n:,}"
    if n < 999_500:
        return f"{n / 1e3:.0f}k"
    return f"{n / 1e6:.1f}M" if n < 9_950_000 else f"{n / 1e6:.0f}M"


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.6g}"


def _printed(parts: Sequence[Any], width: int, ascii_only: bool) -> str:
    console, out = paper(max(60, width))
    for part in parts:
        console.print(part)
    return written(out, ascii_only)
