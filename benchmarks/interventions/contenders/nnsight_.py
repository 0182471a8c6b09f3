"""nnsight: a trace for the values, and one for each head."""

from __future__ import annotations

from typing import Any

import torch
from nnsight import NNsight

from benchmarks.interventions.contenders import Asked
from benchmarks.interventions.contenders.one_by_one import OneByOne
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class Sight(OneByOne):
    """The native model, wrapped."""

    def __init__(self, task: Task) -> None:
        """Load and wrap the model."""
        super().__init__(task)
        self.model: Any = NNsight(task.model())
        pattern = task.shape.projection
        self.projections = [self.model.get(pattern.format(i)) for i in range(task.shape.layers)]

    def _given(self, inputs: torch.Tensor) -> dict[str, Any]:
        return {"pixel_values": inputs} if self.task.shape.images else {"input_ids": inputs, "use_cache": False}

    def values(self, inputs: torch.Tensor) -> dict[int, torch.Tensor]:
        """What the output projections are given."""
        kept: dict[int, torch.Tensor] = {}
        projections, layers = self.projections, self.layers
        with self.model.trace(**self._given(inputs)):
            for layer in layers:
                kept[layer] = projections[layer].input.save()
        return kept

    def plain(self) -> torch.Tensor:
        """A trace that only reads."""
        with self.model.trace(**self._given(self.task.base)):
            logits = self.model.output.logits.save()
        return self.ends(logits)

    def world(self, target: Target, value: torch.Tensor) -> torch.Tensor:
        """A trace that writes to one projection's input."""
        own, at, projection = self.own(target), target.slice, self.projections[target.layer]
        with self.model.trace(**self._given(self.task.base)):
            changed = projection.input.clone()
            changed[:, at, own] = value[:, at, own]
            projection.input = changed
            logits = self.model.output.logits.save()
        return self.ends(logits)


def ready(task: Task) -> Asked:
    """The wrapped model."""
    return Sight(task)
