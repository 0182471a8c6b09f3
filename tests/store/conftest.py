"""A store of its own for each test, and a folder with a small model and data that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from causalcircuit.models import LoadedModel
from causalcircuit.query import ModelRef, Result
from causalcircuit.runs import Keep, Runner, check_text
from causalcircuit.store import Ledger

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi")
data d = jsonl("./rows.jsonl") with prompt = row.clean cluster row.names
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
"""
BOTH = "estimate E[LD | do(NM = 0)] - E[LD] on d ci 95%\n"
Ask = Callable[..., Result]

# One model for all tests that change no file of it: its weights are the same wherever the folder lies.
_LOADED: dict[ModelRef, LoadedModel] = {}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, which runs use."""
    folder = tmp_path / "store"
    monkeypatch.setenv("CAUSALCIRCUIT_STORE", str(folder))
    return folder


@pytest.fixture
def ledger(store: Path) -> Ledger:
    """Its ledger, open."""
    return Ledger(store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, and twelve rows."""
    home = tmp_path / "home"
    shutil.copytree(EXAMPLES / "models" / "ioi", home / "models" / "ioi")
    lines = (EXAMPLES / "data" / "ioi.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    (home / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home


@pytest.fixture
def ask(store: Path, folder: Path) -> Ask:
    """Ask something in that folder."""

    def asked(text: str, *, keep: Keep = "use", head: str = HEAD, load: bool = False, **more: Any) -> Result:
        runner = Runner({} if load else _LOADED, keep=keep, **more)
        try:
            # Models are known by where they lie; what is loaded stays for tests in other folders.
            program = check_text(head + text, "t.cq", folder)
            if not load:
                for ref in program.models.values():
                    known = next((m for r, m in _LOADED.items() if _same(r, ref)), None)
                    if known is not None:
                        _LOADED[ref] = known
            return runner.run(program)
        finally:
            runner.close()

    return asked


def _same(a: ModelRef, b: ModelRef) -> bool:
    return (a.name, a.source, a.dtype, a.dictionaries) == (b.name, b.source, b.dtype, b.dictionaries)


def passes(result: Result) -> int:
    """Forward passes of single rows that a result took."""
    return int(sum(t.cost["row_passes"] for t in result.tables.values()))


def values(result: Result) -> list[bytes]:
    """Every outcome of a result, bit by bit."""
    return [v.tobytes() for t in result.tables.values() for v in t.cells.values()]


def answers(result: Result) -> str:
    """A result as JSON, less how its run went."""
    return json.dumps({k: v for k, v in result.to_json().items() if k != "run"})
