"""Forward hooks by hand, as a careful researcher writes them."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.interventions.contenders import Asked
from benchmarks.interventions.contenders.one_by_one import OneByOne
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class Naive(OneByOne):
    """The native model and its hooks."""

    def __init__(self, task: Task) -> None:
        """Load the model."""
        super().__init__(task)
        self.model = task.model()
        pattern = task.shape.projection
        self.projections = [self.model.get_submodule(pattern.format(i)) for i in range(task.shape.layers)]

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.task.shape.images:
            return self.ends(self.model(pixel_values=inputs).logits)
        return self.ends(self.model(input_ids=inputs, use_cache=False).logits)

    def values(self, inputs: torch.Tensor) -> dict[int, torch.Tensor]:
        """What the output projections are given."""
        kept: dict[int, torch.Tensor] = {}
        handles = []
        for layer in self.layers:

            def keep(_: Any, given: tuple[torch.Tensor, ...], layer: int = layer) -> None:
                kept[layer] = given[0].clone()

            handles.append(self.projections[layer].register_forward_pre_hook(keep))
        self._run(inputs)
        for handle in handles:
            handle.remove()
        return kept

    def plain(self) -> torch.Tensor:
        """A pass without hooks."""
        return self._run(self.task.base)

    def world(self, target: Target, value: torch.Tensor) -> torch.Tensor:
        """A pass with one hook."""
        own = self.own(target)

        def write(_: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            changed = given[0].clone()
            changed[:, target.slice, own] = value[:, target.slice, own]
            return (changed,)

        handle = self.projections[target.layer].register_forward_pre_hook(write)
        logits = self._run(self.task.base)
        handle.remove()
        return logits


def ready(task: Task) -> Asked:
    """The native model with hooks."""
    return Naive(task)
