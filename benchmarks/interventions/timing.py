"""Contenders in turns, in one process on one thread; outcomes are held against each other before times count."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from benchmarks.interventions.contenders import CONTENDERS, Asked, Outcomes, UnableError
from benchmarks.interventions.task import Task

TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of one workload.

    Attributes:
        task: what was asked. seconds: by contender, CPU seconds of each round.
        parts: of CausalCircuit's rounds, seconds of check, run, and the engine within the run.
        unable: by contender, why it takes no part. effect: the median absolute effect of a world on a row.
        gap: the largest difference between any two contenders' outcomes.
    """

    task: Task
    seconds: Mapping[str, list[float]]
    parts: list[dict[str, float]] = field(default_factory=list)
    unable: Mapping[str, str] = field(default_factory=dict)
    effect: float = 0.0
    gap: float = 0.0

    def median(self, name: str) -> float:
        """Median CPU seconds of a contender."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, of: str = "naive") -> float:
        """How many times faster a contender is, by the median over rounds of the ratio within a round."""
        return statistics.median(a / b for a, b in zip(self.seconds[of], self.seconds[name], strict=True))

    def engine(self) -> float:
        """How many times faster than naive hooks the engine is, without the language around it."""
        pairs = zip(self.seconds["naive"], self.parts, strict=True)
        return statistics.median(a / p["engine"] for a, p in pairs)


def measure(task: Task, names: Iterable[str], rounds: int) -> Line:
    """Time contenders in turns.

    Outcomes of every round are compared. The first round warms up, which the median of several leaves out.

    Args:
        task: what is asked. names: of contenders; the first is the reference. rounds: how often each has its turn.

    Raises:
        AssertionError: outcomes differ by more than `TOLERANCE`, or no intervention has an effect.
    """
    torch.set_num_threads(1)
    asked: dict[str, Asked] = {}
    unable: dict[str, str] = {}
    for name in names:
        try:
            asked[name] = CONTENDERS[name].ready(task)
        except UnableError as reason:
            unable[name] = str(reason)
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    found: dict[str, Outcomes] = {}
    gap = 0.0
    for turn in range(rounds):
        order = list(asked) if turn % 2 == 0 else list(asked)[::-1]
        for name in order:
            gc.collect()
            start = time.process_time()
            outcomes = asked[name]()
            seconds[name].append(time.process_time() - start)
            found[name] = outcomes
        gap = max(gap, agree(found))
    reference = next(iter(found.values()))
    effect = float(np.median(np.abs(reference[1:] - reference[0])))
    assert effect > 10 * TOLERANCE, f"the median effect is {effect:.1e}: nothing to agree about"
    parts = getattr(asked.get("causal"), "parts", [])
    return Line(task, seconds, list(parts), unable, effect, gap)


def agree(found: Mapping[str, Outcomes]) -> float:
    """The largest difference to the first contender.

    Raises:
        AssertionError: it is more than `TOLERANCE`.
    """
    (first, reference), *others = found.items()
    largest = 0.0
    for name, outcomes in others:
        assert outcomes.shape == reference.shape, f"{name}: {outcomes.shape} outcomes, {first}: {reference.shape}"
        gap = float(np.abs(outcomes - reference).max())
        assert gap <= TOLERANCE, f"{name} and {first} differ by {gap:.1e}"
        largest = max(largest, gap)
    return largest
