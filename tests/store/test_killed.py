"""Killed at any moment, or beside another process: the table is the same, bit by bit, and little is done twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.engine import execute, prepare
from causalcircuit.engine.plan import make_plan
from causalcircuit.engine.prepared import Prepared
from causalcircuit.models import load
from causalcircuit.query import OutcomeTable
from causalcircuit.runs import check_text
from causalcircuit.runs.contents import Contents
from causalcircuit.runs.keeping import Shelf
from causalcircuit.runs.keys import Keys
from causalcircuit.store import Files, Ledger, Outcomes
from tests.store.conftest import EXAMPLES

TEXT = """
model gpt2 = hf("./models/ioi")
data d = jsonl("./data/ioi.jsonl") with prompt = row.clean sample 48 seed 1
data other = jsonl("./data/ioi.jsonl") with prompt = row.clean sample 40 seed 2
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let H(i) = gpt2.layer[1].head[i].out @ last
node M = gpt2.layer[0].mlp.out @ last
let all = E[LD] + E[LD | do(M = mean(M))] + E[LD | do(M = mean(M, on = other))]
let two = E[LD | do(M = mean((M | do(gpt2.layer[0].head[1].out @ last = mean(gpt2.layer[0].head[1].out @ last)))))]
estimate all, two, E[LD | do(gpt2.layer[1].head[2].out @ last = 0)] on d as population
estimate P(gpt2.text(tokens = 3) mentions "Anna") on d as population
"""
LIMIT = 120  # positions a pass: some ten chunks a sweep


@dataclass
class Work:
    """A prepared plan with its keys."""

    ready: Prepared
    keys: Keys

    def run(self, store: Path, tick: Callable[[], None] = lambda: None) -> OutcomeTable:
        ledger = Ledger(store)
        try:
            shelf = Shelf(Outcomes(ledger), self.keys)
            table = execute(self.ready, lambda done, of: tick(), max_tokens=LIMIT, kept=shelf)
            assert ledger.remarks == ()
            return table
        finally:
            ledger.close()


@pytest.fixture(scope="module")
def work() -> Work:
    torch.set_num_threads(1)
    program = check_text(TEXT, "t.cq", EXAMPLES)
    data = rows.load(program.commands[0].data)
    tables = {name: sites(ref) for name, ref in program.models.items()}
    plan = make_plan([q.expr for c in program.commands for q in queries_of(c)], data, tables)
    ready = prepare(plan, {name: load(ref) for name, ref in program.models.items()}, data)
    return Work(ready, Keys(data, program.models, Contents(Files()), b"setting"))


@pytest.fixture(scope="module")
def truth(work: Work) -> list[bytes]:
    return said(execute(work.ready, max_tokens=LIMIT))


def said(table: OutcomeTable) -> list[bytes]:
    assert table.complete
    return [repr(v.tolist()).encode() if v.dtype == object else v.tobytes() for v in table.cells.values()]


def child(work: Work, store: Path) -> int:
    """A process that runs the plan and goes."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work.run(store)
            code = 0
        finally:
            os._exit(code)
    return pid


def kill_at_random(work: Work, store: Path, seed: int, within: float) -> bool:
    """Whether the process was still at work when it was killed."""
    pid = child(work, store)
    time.sleep(random.Random(seed).uniform(0, within))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def test_a_stored_table_is_the_table(work: Work, truth: list[bytes], tmp_path: Path) -> None:
    first = work.run(tmp_path)
    again = work.run(tmp_path)
    assert said(first) == said(again) == truth
    assert first.cost["row_passes"] > 0
    assert again.cost["row_passes"] == 0
    assert [n.message for n in first.notes] == [n.message for n in again.notes]


@pytest.mark.parametrize("stop", [1, 2, 5, 9, 14, 20, 33])
def test_stopped_after_some_passes_the_rest_is_computed(
    work: Work, truth: list[bytes], tmp_path: Path, stop: int
) -> None:
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == stop:
            raise OSError("the power fails")

    whole = work.run(tmp_path / "other").cost["row_passes"]
    with pytest.raises(OSError, match="power"):
        work.run(tmp_path, tick)
    rest = work.run(tmp_path)
    assert said(rest) == truth
    assert rest.cost["row_passes"] <= whole
    if stop > 9:
        assert rest.cost["row_passes"] < whole
    assert work.run(tmp_path).cost["row_passes"] == 0


def killed(work: Work, truth: list[bytes], tmp_path: Path, times: int) -> None:
    work.run(tmp_path / "warm")
    start = time.perf_counter()
    work.run(tmp_path / "clock")
    within = (time.perf_counter() - start) / 2  # four kills of one store together reach about its end
    at_work = 0
    for seed in range(times):
        store = tmp_path / f"{seed // 4}"  # a run may be killed several times
        at_work += kill_at_random(work, store, seed, within)
        if seed % 4 == 3 or seed == times - 1:
            assert said(work.run(store)) == truth
    assert at_work > times // 4


def test_killed_at_some_moments(work: Work, truth: list[bytes], tmp_path: Path) -> None:
    killed(work, truth, tmp_path, 6)


@pytest.mark.slow
def test_killed_at_a_hundred_moments(work: Work, truth: list[bytes], tmp_path: Path) -> None:
    killed(work, truth, tmp_path, 100)


def test_two_processes_share_a_store(work: Work, truth: list[bytes], tmp_path: Path) -> None:
    children = [child(work, tmp_path) for _ in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    table = work.run(tmp_path)
    assert said(table) == truth
    assert table.cost["row_passes"] == 0
