"""CausalCircuit: one program asks everything; its parts are timed apart."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import causalcircuit as cq
import causalcircuit.engine as engine
from benchmarks.interventions.contenders import Asked, Outcomes
from benchmarks.interventions.task import Task
from causalcircuit.query import OutcomeTable, World
from causalcircuit.runs import Runner


def program_text(task: Task) -> str:
    """The question as a `.cq` file asks it."""
    images = task.shape.images
    channel = "image" if images else "prompt"
    answer = "class[row.{}, logit]" if images else "logit[row.{}] @ last"
    source = (
        "" if task.workload.value == "mean" else f"let source = do(lm.{'image' if images else 'input'} = row.source)\n"
    )
    value = "mean(H)" if task.workload.value == "mean" else "(H | source)"
    population = " as population" if task.workload.rows == 1 else ""
    return (
        f'model lm = hf("{task.folder}")\n'
        f'data pairs = jsonl("{task.data}") with {channel} = row.base\n'
        f"node LD = lm.{answer.format('good')} - lm.{answer.format('bad')}\n"
        f"{source}"
        f"estimate E[LD | do(H = {value})] - E[LD] on pairs for H in {_sites(task)}{population}\n"
    )


def _sites(task: Task) -> str:
    tower = "encoder." if task.shape.images else ""
    at = task.workload.at
    if at == "one by one":
        each = (f"lm.{tower}layer[{t.layer}].head[{t.head}].out @ {t.position}" for t in task.targets)
        return f"[{', '.join(each)}]"
    heads = 1 + max(t.head for t in task.targets)
    return f"lm.{tower}layer[*].head[0..{heads - 1}].out @ {at}"


class Causal:
    """Programs checked and run, with the loaded model kept between them, as at a prompt."""

    def __init__(self, task: Task) -> None:
        """Load and prove the model, once for all calls; a proof that was kept is used."""
        self.task, self.text = task, program_text(task)
        self.runner = Runner()
        self.parts: list[dict[str, float]] = []
        start = time.process_time()
        program = cq.program(self.text)
        self.runner._model(program.models["lm"])
        self.load = time.process_time() - start

    def __call__(self) -> Outcomes:
        """Check, plan, run and infer; nothing is known from earlier calls but model and proof."""
        spent = {"check": 0.0, "run": 0.0, "engine": 0.0}
        with _nothing_kept(), _watched(spent):
            with _clock(spent, "check"):
                program = cq.program(self.text)
            with _clock(spent, "run"):
                result = self.runner.run(program)
        self.parts.append(spent)
        (table,) = result.tables.values()
        return _outcomes(table)


def _outcomes(table: OutcomeTable) -> Outcomes:
    """The difference of the two readouts in each world: the factual one, then the others in order."""
    worlds: dict[World, list[Any]] = {}
    for cell, values in table.cells.items():
        worlds.setdefault(cell.world, []).append(values)
    factual = next(w for w in worlds if w.factual)
    ordered = [factual, *(w for w in worlds if not w.factual)]
    return np.array([worlds[w][0] - worlds[w][1] for w in ordered])


@contextmanager
def _clock(spent: dict[str, float], part: str) -> Iterator[None]:
    start = time.process_time()
    try:
        yield
    finally:
        spent[part] += time.process_time() - start


@contextmanager
def _watched(spent: dict[str, float]) -> Iterator[None]:
    """Time what fills the table, apart from the language around it."""
    plain: Callable[..., OutcomeTable] = engine.execute

    def timed(*arguments: Any, **named: Any) -> OutcomeTable:
        with _clock(spent, "engine"):
            return plain(*arguments, **named)

    engine.execute = timed  # type: ignore[assignment]
    try:
        yield
    finally:
        engine.execute = plain  # type: ignore[assignment]


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """An empty cache folder: what is remembered between runs is another benchmark's question."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["XDG_CACHE_HOME"] = str(Path(empty))
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = before


def ready(task: Task) -> Asked:
    """The engine through the language."""
    return Causal(task)
