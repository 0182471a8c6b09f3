"""What a result was made from, and how its run went."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from causalcircuit.query import ModelRef, OutcomeTable, Program, Result
from causalcircuit.query.past import PastRun, State
from causalcircuit.rows import Dataset
from causalcircuit.runs.contents import code, versions
from causalcircuit.runs.keys import Keys
from causalcircuit.runs.scored import Count
from causalcircuit.store import Ledger, begin, ended, write_record


def machine() -> dict[str, Any]:
    """What numbers are computed on, where torch is at hand."""
    import torch

    out: dict[str, Any] = {"threads": torch.get_num_threads(), "processor": platform.machine()}
    if torch.cuda.is_available():
        out["accelerator"] = torch.cuda.get_device_name()
    return out


class Source(Protocol):
    """What some numbers were made from: rows, models, and what was random."""

    @property
    def data(self) -> Dataset:
        """The rows."""

    @property
    def models(self) -> Mapping[str, ModelRef]:
        """By name."""

    @property
    def keys(self) -> Keys:
        """Of the store."""

    @property
    def machine(self) -> Mapping[str, Any]:
        """What was computed on."""

    @property
    def seeds(self) -> set[int]:
        """Of what was random."""


def manifest(program: Program, tasks: Iterable[Source], how: str) -> dict[str, Any]:
    """Versions, digests of all that was read, seeds, and the machine; equal for runs that had to come out equal."""
    every = list(tasks)
    models = {name: ref for task in every for name, ref in task.models.items()}
    text = program.source
    out: dict[str, Any] = {
        "versions": versions(),
        "code": code(),
        "plan": how,
        "seeds": sorted(set().union(*(t.seeds for t in every))),
        "models": {
            name: {
                "source": ref.source,
                "revision": ref.revision,
                "sha256": every[0].keys.contents.weights(ref),
                "dtype": ref.dtype,
                "device": ref.device,
                "attention": ref.attention,
            }
            for name, ref in sorted(models.items())
        },
        "data": {t.data.ref.label: _data(t) for t in every},
        "machine": [dict(m) for m in dict.fromkeys(tuple(sorted(t.machine.items())) for t in every)],
    }
    if text is not None:
        out["program"] = {"name": text.name, "sha256": hashlib.sha256(text.text.encode()).hexdigest()}
    return out


def _data(task: Source) -> dict[str, Any]:
    """A data set: its file, or where it is none the content that feeds models."""
    try:
        found = task.keys.contents.files.digest(task.data.ref.path)
    except OSError:
        found = None
    if found is None:
        found = hashlib.sha256(task.keys.digests(frozenset())).digest()
    return {"source": task.data.ref.source, "rows": task.data.n, "sha256": found.hex()}


@dataclass
class Recorder:
    """Puts a run on record: when it begins, and what it came to."""

    ledger: Ledger | None
    program: Program
    tests_only: bool = False
    record: PastRun | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Note that the run began: one that is killed is on record too."""
        source = self.program.source
        name = "" if source is None else source.name
        text = "" if source is None else source.text
        self.record = begin(name, folder_of(name), text, tests_only=self.tests_only)
        if self.ledger is not None:
            write_record(self.ledger, self.record)

    def said(self, tables: Iterable[OutcomeTable], scored: Iterable[Count] = ()) -> dict[str, Any]:
        """The run as a result tells it: its tables, and the scores of its circuits."""
        every, counts = list(tables), list(scored)
        record = cast(PastRun, self.record)
        stored = sum(int(t.cost.get("stored", 0)) for t in every)
        outcomes = sum(len(t.cells) * t.n for t in every)
        computed = max(0, outcomes - stored) + sum(c.computed for c in counts)
        stored += sum(c.stored for c in counts)
        self.record = ended(
            record,
            rows=sum(t.n for t in every) + sum(c.rows for c in counts),
            worlds=sum(len({c.world for c in t.cells}) for t in every) + 2 * len(counts),
            stored=stored,
            computed=computed,
        )
        kept = {"id": record.id} if self.ledger is not None and self.ledger.writable else {}
        return {
            **kept,
            "at": round(record.at, 3),
            "seconds": round(self.record.seconds, 3),
            "stored": stored,
            "computed": self.record.computed,
        }

    def ended(self, state: State, result: Result | None) -> None:
        """Note what the run came to."""
        if self.ledger is None or self.record is None:
            return
        verdicts: dict[str, int] = {}
        for tested in () if result is None else result.hypotheses:
            verdicts[tested.verdict] = verdicts.get(tested.verdict, 0) + 1
        whole = {} if result is None else result.to_json()
        self.record = ended(self.record, state=state, verdicts=verdicts, result=whole)
        write_record(self.ledger, self.record)


def folder_of(name: str) -> Path:
    """Where the relative paths of a program start."""
    path = Path(name)
    return path.resolve().parent if path.suffix == ".cq" and path.is_file() else Path.cwd()
