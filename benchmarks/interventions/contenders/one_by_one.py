"""What hooks by hand and all peers have in common: one world at a time, all pairs in a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from benchmarks.interventions.contenders import Outcomes
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class OneByOne(ABC):
    """A pass for the values, one without an intervention, and one for each target."""

    def __init__(self, task: Task) -> None:
        """Know the task."""
        self.task = task
        self.layers = sorted({t.layer for t in task.targets})
        self.size = task.shape.head_dim

    def __call__(self) -> Outcomes:
        """All outcomes."""
        with torch.inference_mode():
            mean = self.task.workload.value == "mean"
            values = self.values(self.task.base if mean else self.task.source)
            if mean:
                values = {layer: v.mean(0, keepdim=True).expand_as(v) for layer, v in values.items()}
            logits = [self.plain()]
            logits += [self.world(target, values[target.layer]) for target in self.task.targets]
            return torch.stack([self.task.difference(x) for x in logits]).double().numpy()

    @abstractmethod
    def values(self, inputs: torch.Tensor) -> dict[int, torch.Tensor]:
        """By layer, the heads' outputs on these inputs, in the tool's own form, rows first."""

    @abstractmethod
    def plain(self) -> torch.Tensor:
        """[rows, vocabulary] the logits of the last position without an intervention, or those of the classes."""

    @abstractmethod
    def world(self, target: Target, value: torch.Tensor) -> torch.Tensor:
        """The same with one head's output replaced by its part of `value`."""

    def own(self, target: Target) -> slice:
        """The components of a head where all stand side by side."""
        return slice(target.head * self.size, (target.head + 1) * self.size)

    def ends(self, logits: torch.Tensor) -> torch.Tensor:
        """Of logits at all positions those at the last; those of classes have no positions."""
        return logits if self.task.shape.images else logits[:, -1]
