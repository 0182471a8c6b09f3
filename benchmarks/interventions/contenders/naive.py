"""Forward hooks by hand, as a careful researcher writes them: one world at a time, all pairs in a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks.interventions.contenders import Asked, Outcomes
from benchmarks.interventions.task import Task
from benchmarks.interventions.workloads import Target


class Naive:
    """The native model and its hooks."""

    def __init__(self, task: Task) -> None:
        """Load the model."""
        self.task, self.model = task, task.model()
        pattern = task.shape.projection
        self.projections = [self.model.get_submodule(pattern.format(i)) for i in range(task.shape.layers)]

    def __call__(self) -> Outcomes:
        """A pass for the values, and one for each target."""
        with torch.inference_mode():
            values = self._values()
            found = [self._readout()]
            for target in self.task.targets:
                with self._replaced(target, values[target.layer]):
                    found.append(self._readout())
            return torch.stack(found).double().numpy()

    def _readout(self) -> torch.Tensor:
        return self.task.difference(self._logits(self.task.base))

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Of the last position, or of the classes."""
        if self.task.shape.images:
            return self.model(pixel_values=inputs).logits
        return self.model(input_ids=inputs, use_cache=False).logits[:, -1]

    def _values(self) -> dict[int, torch.Tensor]:
        """By layer, what is put in: all heads side by side."""
        mean = self.task.workload.value == "mean"
        kept: dict[int, torch.Tensor] = {}
        handles = []
        for layer in {t.layer for t in self.task.targets}:

            def keep(_: Any, inputs: tuple[torch.Tensor, ...], layer: int = layer) -> None:
                kept[layer] = inputs[0].mean(0, keepdim=True) if mean else inputs[0].clone()

            handles.append(self.projections[layer].register_forward_pre_hook(keep))
        try:
            self._logits(self.task.base if mean else self.task.source)
        finally:
            for handle in handles:
                handle.remove()
        return kept

    @contextmanager
    def _replaced(self, target: Target, value: torch.Tensor) -> Iterator[None]:
        size = self.task.shape.head_dim
        own = slice(target.head * size, (target.head + 1) * size)

        def write(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            changed = inputs[0].clone()
            changed[:, target.slice, own] = value[:, target.slice, own]
            return (changed,)

        handle = self.projections[target.layer].register_forward_pre_hook(write)
        try:
            yield
        finally:
            handle.remove()


def ready(task: Task) -> Asked:
    """The native model with hooks."""
    return Naive(task)
