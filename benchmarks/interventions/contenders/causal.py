"""CausalCircuit: one program asks everything; its parts are timed apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import causalcircuit as cq
import causalcircuit.engine as engine
import causalcircuit.rows as rows
from benchmarks.interventions.contenders import Asked, Outcomes
from benchmarks.interventions.task import Task
from causalcircuit.check import queries_of
from causalcircuit.models import load
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
    at = task.workload.at
    if at == "one by one":
        each = (f"lm.layer[{t.layer}].head[{t.head}].out @ {t.position}" for t in task.targets)
        return f"[{', '.join(each)}]"
    heads = 1 + max(t.head for t in task.targets)
    return f"lm.layer[*].head[0..{heads - 1}].out @ {at}"


class Causal:
    """Programs checked and run, with the loaded model kept between them, as at a prompt."""

    def __init__(self, task: Task) -> None:
        """Load the model, and prove what will be assigned, once for all calls; proofs that were kept are used."""
        self.task, self.text = task, program_text(task)
        self.parts: list[dict[str, float]] = []
        program = cq.program(self.text)
        ref = program.models["lm"]
        self.models = {ref: load(ref)}
        data = rows.load(program.data["pairs"])
        plan = engine.make_plan([q.expr for c in program.commands for q in queries_of(c)], data)
        engine.prepare(plan, {"lm": self.models[ref]}, data)

    def __call__(self) -> Outcomes:
        """Check, plan, run, keep and infer; outcomes that are kept from earlier calls are not looked at."""
        spent = {"check": 0.0, "run": 0.0, "engine": 0.0}
        with _watched(spent):
            with _clock(spent, "check"):
                program = cq.program(self.text)
            with _clock(spent, "run"):
                runner = Runner(dict(self.models), keep="fresh")
                result = runner.run(program)
            runner.close()
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


def ready(task: Task) -> Asked:
    """The engine through the language."""
    return Causal(task)
